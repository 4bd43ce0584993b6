"""By which angle is each pair of a head's numbers turned at a position?

Checkpoints keep the two numbers of a pair half a head apart. Here they stand side by side, so that a pair
is one complex number and all turns of a forward are one product. Queries and keys are reordered alike,
which no product between them notices.
"""

import math

import torch
from torch import Tensor

from nemotron_backend.model.config import Llama3Scaling, LlamaConfig, QueryScaling, YarnScaling


def frequencies(config: LlamaConfig) -> Tensor:
    """Radians a token for each pair, float32 [rotary_dim / 2]."""
    exponents = torch.arange(0, config.rotary_dim, 2, dtype=torch.float32) / config.rotary_dim
    plain = 1.0 / config.rope_theta**exponents
    match config.rope_scaling:
        case Llama3Scaling() as scaling:
            return _stretched(plain, scaling)
        case YarnScaling() as scaling:
            return _yarn(plain, scaling, config)
        case None:
            return plain


def pair(weight: Tensor, head_dim: int, rotary_dim: int) -> Tensor:
    """Reorder the rows of a query or key projection so that pairs stand side by side."""
    inputs = weight.shape[-1]
    turned, kept = weight.view(-1, head_dim, inputs).tensor_split((rotary_dim,), dim=1)
    halves = turned.reshape(-1, 2, rotary_dim // 2, inputs)
    return torch.cat((halves.transpose(1, 2).flatten(1, 2), kept), dim=1).view(weight.shape)


def rotation(positions: Tensor, frequencies: Tensor) -> Tensor:
    """The unit complex numbers for `rotate_`, [tokens, 1, rotary_dim / 2]."""
    angles = positions[:, None, None].float() * frequencies
    return torch.complex(angles.cos(), angles.sin())


def rotate_(heads: Tensor, turn: Tensor) -> None:
    """Turn the pairs of [tokens, heads, rotary_dim] in place."""
    torch.view_as_complex(heads.view(*heads.shape[:2], -1, 2)).mul_(turn)


def query_scale(positions: Tensor, scaling: QueryScaling | None) -> Tensor | None:
    """What queries are multiplied by, [tokens, 1, 1]; None where that is 1 throughout."""
    if scaling is None or int(positions.max()) < scaling.original_max_position_embeddings:
        return None
    rounds = positions[:, None, None].float().div(scaling.original_max_position_embeddings).floor()
    return 1 + scaling.beta * torch.log1p(rounds)


def _yarn(plain: Tensor, scaling: YarnScaling, config: LlamaConfig) -> Tensor:
    """Pairs that turn often over the original context are kept, rare ones slowed, those between blended."""

    def pair_that_turns(times: float) -> float:
        longest = scaling.original_max_position_embeddings / (times * 2 * math.pi)
        return config.rotary_dim * math.log(longest) / (2 * math.log(config.rope_theta))

    first = max(math.floor(pair_that_turns(scaling.beta_fast)), 0)
    last = min(math.ceil(pair_that_turns(scaling.beta_slow)), config.rotary_dim - 1)
    pairs = torch.arange(len(plain), dtype=torch.float32)
    slowed = ((pairs - first) / max(last - first, 0.001)).clamp(0, 1)
    return plain / scaling.factor * slowed + plain * (1 - slowed)


def _stretched(plain: Tensor, scaling: Llama3Scaling) -> Tensor:
    """Slow turns are slowed by the factor, fast ones kept, those between blended."""
    turns = scaling.original_max_position_embeddings * plain / (2 * math.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return plain * (kept + (1 - kept) / scaling.factor)
