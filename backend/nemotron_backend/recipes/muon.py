"""How does Muon move a stack of matrices at once? As torch's own moves each (arXiv 2502.16982)."""

from collections.abc import Iterable

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class StackedMuon(torch.optim.Optimizer):
    """Parameters [matrices, rows, columns], each matrix orthogonalised by itself; steps have AdamW's size."""

    def __init__(
        self, parameters: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move along the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Tensor, group: dict[str, float]) -> None:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        direction = _orthogonal(parameter.grad.lerp(state["momentum"], group["momentum"]))
        scale = 0.2 * max(parameter.shape[-2:]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"] * scale)


def _orthogonal(stack: Tensor) -> Tensor:
    """The nearest orthogonal matrix of each, roughly: all singular values near one."""
    is_tall = stack.shape[-2] > stack.shape[-1]
    x = (stack.mT if is_tall else stack).bfloat16()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    first, second, third = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = first * x + (second * square + third * square @ square) @ x
    direction: Tensor = x.mT if is_tall else x
    return direction
