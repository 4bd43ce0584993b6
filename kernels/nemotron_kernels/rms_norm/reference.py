"""What is the root mean square norm, in plain torch?"""

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Normalise along the last axis."""
    return (x * inverse_rms(x, epsilon) * weight).to(x.dtype)


def inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    """One over the root mean square, float32 [*, 1]."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return norm.square().mul_(1.0 / x.shape[-1]).add_(epsilon).rsqrt_()
