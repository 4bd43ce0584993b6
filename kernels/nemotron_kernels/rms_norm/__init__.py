"""How is a row brought to a root mean square of one?

out = x / sqrt(mean(x^2) + epsilon) * weight, along the last axis, with float32 statistics. torch's own
`rms_norm` is a chain of a dozen small operations on the CPU, and a step of a small network is made of such.
"""

from nemotron_kernels.rms_norm.reference import inverse_rms, rms_norm

__all__ = ["inverse_rms", "rms_norm"]
