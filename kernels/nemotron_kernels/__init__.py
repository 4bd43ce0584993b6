"""Tensors: one public function an operation, each with a readable torch definition."""

from nemotron_kernels._choice import KernelUnavailable

__all__ = ["KernelUnavailable"]
