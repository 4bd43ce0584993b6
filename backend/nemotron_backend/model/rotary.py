"""By which angle is each pair of a head's numbers turned at a position?"""

import math

import torch
from torch import Tensor

from nemotron_backend.model.config import Llama3Scaling, LlamaConfig


def frequencies(config: LlamaConfig) -> Tensor:
    """Radians a token for each pair, float32 [head_dim / 2]."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    plain = 1.0 / config.rope_theta**exponents
    return plain if config.rope_scaling is None else _stretched(plain, config.rope_scaling)


def rotation(positions: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine for `rotate`, each [tokens, 1, head_dim]."""
    angles = positions[:, None, None].float() * frequencies
    sine = angles.sin()
    return angles.cos().repeat(1, 1, 2), torch.cat((-sine, sine), dim=-1)


def rotate(heads: Tensor, cosine: Tensor, signed_sine: Tensor) -> Tensor:
    """Turn [tokens, heads, head_dim]: number i of the first half pairs with number i of the second."""
    swapped = heads.roll(heads.shape[-1] // 2, dims=-1)
    return torch.addcmul(heads * cosine, swapped, signed_sine)


def _stretched(plain: Tensor, scaling: Llama3Scaling) -> Tensor:
    """Slow turns are slowed by the factor, fast ones kept, those between blended."""
    turns = scaling.original_max_position_embeddings * plain / (2 * math.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return plain * (kept + (1 - kept) / scaling.factor)
