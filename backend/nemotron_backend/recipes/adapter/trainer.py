"""How does the adapter come closer to what the network says?

At every mask the target is the network's own distribution at that place, which the clean part gives: what a
draft must guess is exactly what verifying will say.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.recipes.adapter.network import Adapter, Frozen
from nemotron_backend.recipes.dialogue import Dialogue
from nemotron_backend.recipes.trimode.noise import Lesson, lesson

BLOCKS = (4, 8, 16)
_RATE = 2e-3
_WARM_UP = 20
_DECAY = 0.3  # the last part of the training, over which the rate falls to zero


@dataclass(frozen=True, slots=True)
class Progress:
    """The divergence per mask in nats, and at which share of masks the likeliest token is the network's."""

    loss: float
    agreement: float


class Trainer:
    """The adapter and its optimiser, with all that goes on where a training was stopped."""

    def __init__(self, frozen: Frozen, rank: int, seed: int) -> None:
        torch.manual_seed(seed)
        self._frozen = frozen
        self._seed = seed
        self.adapter = Adapter(frozen.config, rank, frozen.embedding.float().mean(0))
        self._optimiser = torch.optim.AdamW(
            self.adapter.parameters(), lr=_RATE, betas=(0.9, 0.97), weight_decay=0.0
        )
        self.num_steps = 0
        self.seconds = 0.0

    def step(self, dialogues: list[Dialogue], share: float) -> Progress:
        """Learn from these, `share` of the way through the training."""
        generator = torch.Generator().manual_seed(self._seed + self.num_steps)
        made = lesson(dialogues, self._frozen.config.vocab_size, generator, BLOCKS)
        drafted, wanted = self._logits(made)
        num_masks = max(1, len(wanted))
        divergence = F.kl_div(
            drafted.log_softmax(-1), wanted.log_softmax(-1), reduction="sum", log_target=True
        )
        loss = divergence / num_masks
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.adapter.parameters(), 1.0)
        for group in self._optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (self.num_steps + 1) / _WARM_UP, max(0.0, 1 - share) / _DECAY)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.num_steps += 1
        num_alike = int((drafted.argmax(-1) == wanted.argmax(-1)).sum())
        return Progress(loss.item(), num_alike / num_masks)

    def save(self, file: Path) -> None:
        """Write what `restore` needs, beside and then renamed, so that a kill leaves one whole state."""
        state = {
            "adapter": self.adapter.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "num_steps": self.num_steps,
            "seconds": self.seconds,
        }
        part = file.with_suffix(".part")
        torch.save(state, part)
        part.replace(file)

    def restore(self, file: Path) -> None:
        """Go on from a saved state."""
        state: dict[str, Any] = torch.load(file, weights_only=True)
        self.adapter.load_state_dict(state["adapter"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.num_steps, self.seconds = int(state["num_steps"]), float(state["seconds"])

    def _logits(self, made: Lesson) -> tuple[Tensor, Tensor]:
        """What is drafted at each mask, and what the network says there."""
        hidden, kept = self._frozen.read(made)
        drafted = self._frozen.draft(made, kept, self.adapter)
        width = made.token_ids.shape[1]
        sequence, place = made.masked_rows // width, made.masked_rows % width
        before = made.positions[sequence, place] - 1
        with torch.no_grad():
            wanted = self._frozen.logits(hidden[sequence, before])
        return self._frozen.logits(drafted[sequence, place]), wanted
