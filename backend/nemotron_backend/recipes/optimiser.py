"""How are weights moved? Muon for matrices, AdamW for all else (arXiv 2502.16982)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from nemotron_backend.recipes.muon import StackedMuon


class Optimiser:
    """Both under one learning rate, which falls linearly to zero over the last `decay` of the steps."""

    def __init__(self, model: nn.Module, *, rate: float, num_steps: int, decay: float = 0.6) -> None:
        matrices, stacks, others = _split(model)
        self._rate, self._num_steps, self._decay = rate, num_steps, decay
        # The scale that gives Muon's steps the size of AdamW's lets both share a rate.
        self._parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.97), weight_decay=0.0),
            *([StackedMuon(stacks, lr=rate, weight_decay=0.05)] if stacks else []),
        )
        self._parameters = [*matrices, *stacks, *others]

    def step(self, step: int) -> None:
        """Move along the gradients, then clear them."""
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = self._rate * self._share(step)
            part.step()
            part.zero_grad(set_to_none=True)

    def _share(self, step: int) -> float:
        left = (self._num_steps - step) / (self._decay * self._num_steps)
        return min(1.0, (step + 1) / 100, left)

    def state(self) -> list[dict[str, object]]:
        """All that `restore` needs to go on."""
        return [part.state_dict() for part in self._parts]

    def restore(self, state: Iterable[dict[str, object]]) -> None:
        """Go on from where `state` was taken."""
        for part, saved in zip(self._parts, state, strict=True):
            part.load_state_dict(saved)


# Tables and heads are looked up or read out row by row, so no direction in them belongs to another.
_NOT_MATRICES = ("embed", "head", "score")


def _split(model: nn.Module) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Matrices, stacks of matrices, and all else."""
    matrices: list[Tensor] = []
    stacks: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and not any(part in name for part in _NOT_MATRICES):
            matrices.append(parameter)
        elif parameter.ndim == 3 and "experts" in name:
            stacks.append(parameter)
        else:
            others.append(parameter)
    return matrices, stacks, others
