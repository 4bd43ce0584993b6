"""How is a row brought to a root mean square of one?

out = x / sqrt(mean(x^2) + epsilon) * weight, along the last axis, with float32 statistics.
"""

from nemotron_kernels.rms_norm.reference import rms_norm

__all__ = ["rms_norm"]
