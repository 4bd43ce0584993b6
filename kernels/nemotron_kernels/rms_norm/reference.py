"""What is the root mean square norm, in plain torch?"""

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    """Normalise along the last axis."""
    # The mean of a row beside its negative is zero, so the layer norm of both is the wanted one, in one
    # operation; torch's own `rms_norm` is a chain of seven on the CPU, whose calls are most of its time.
    both = torch.cat((x, -x), dim=-1).float()
    normed = torch.layer_norm(both, both.shape[-1:], None, None, epsilon)[..., : x.shape[-1]]
    return (normed if weight is None else normed * weight).to(x.dtype)


def add_rms_norm(
    x: Tensor, residual: Tensor, weight: Tensor | None, epsilon: float, widths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The norm of x + residual [rows, channels], and the sum itself."""
    total = (x.float() + residual.float()).to(residual.dtype)
    if widths is None:
        return rms_norm(total, weight, epsilon).to(x.dtype), total
    is_kept = torch.arange(x.shape[1], device=x.device) < widths[:, None]
    total = total.where(is_kept, total.new_zeros(()))
    mean = total.float().square().sum(dim=1, keepdim=True) / widths.clamp_min(1)[:, None]
    normed = total.float() * torch.rsqrt(mean + epsilon)
    return (normed if weight is None else normed * weight).to(x.dtype), total
