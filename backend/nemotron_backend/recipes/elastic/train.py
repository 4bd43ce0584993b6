"""How is the elastic demonstration checkpoint made?

`python -m nemotron_backend.recipes.elastic.train --out FOLDER` trains from scratch and can be stopped and
started again at any time. Each step teaches the whole network the right answers, and one smaller size both
these and what the whole network says.
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.recipes import tokenizer
from nemotron_backend.recipes.command import options
from nemotron_backend.recipes.course import course
from nemotron_backend.recipes.dialogue import Script
from nemotron_backend.recipes.elastic.lesson import IGNORED, LENGTH_UNIT, Lesson, distance, lesson
from nemotron_backend.recipes.elastic.network import Elastic
from nemotron_backend.recipes.elastic.rounding import rounded
from nemotron_backend.recipes.elastic.saving import save
from nemotron_backend.recipes.elastic.shape import CONFIG, Size, nested
from nemotron_backend.recipes.optimiser import Optimiser
from nemotron_backend.recipes.state_file import StateFile

_SEED = 2027
_RATE = 3e-3
_TOKENS = 3072
_EVERY = 100
_BALANCE = 2e-3
_STEPS = 6500
_ROUNDED_FROM = 0.85  # of all steps: from there on, every other step sees NVFP4 weights


def main() -> None:
    """Read the command line, then train to the last step."""
    asked = options(__doc__, _STEPS)
    train(asked.out, asked.num_steps)


def train(out: Path, num_steps: int) -> None:
    """Train, saving every hundred steps; goes on from what `out` holds."""
    torch.manual_seed(_SEED)
    script = Script(tokenizer.obtain(out, _SEED, CONFIG["vocab_size"]))
    trainer = Trainer(CONFIG, num_steps)
    first = trainer.resume(out)
    started = time.monotonic()
    taught = course(script, _SEED + 1, num_steps, _TOKENS, unit=LENGTH_UNIT)
    for step, dialogues in enumerate(islice(taught, first, num_steps), start=first):
        trainer.step(step, lesson(dialogues))
        if (step + 1) % _EVERY == 0:
            _report(step + 1, trainer.losses(), time.monotonic() - started)
            trainer.save_state(out, step + 1)
    save(trainer.model, CONFIG, out)


class Trainer:
    """The network, its optimiser, and the losses since they were last read."""

    def __init__(self, config: Mapping[str, Any], num_steps: int) -> None:
        self._whole, *self._nested = nested(config)
        self._num_steps = num_steps
        self.model = Elastic(self._whole.config)
        self._optimiser = Optimiser(self.model, rate=_RATE, num_steps=num_steps)
        self._recipe = recipe(self._whole.config, "nvfp4")
        self._losses: dict[str, list[float]] = {}

    def step(self, step: int, batch: Lesson) -> None:
        """Move the weights once."""
        small = self._nested[step % len(self._nested)]
        with self._weights(step):
            teacher = self._teach(batch, self._whole, None)
            self._teach(batch, small, teacher)
        self._optimiser.step(step)
        for mixture in self.model.experts:
            mixture.balance(_BALANCE * min(1.0, 2 * (1 - step / self._num_steps)))

    def losses(self) -> dict[str, float]:
        """Mean cross entropy of every size, forgotten then."""
        read = {name: sum(held) / len(held) for name, held in sorted(self._losses.items())}
        self._losses.clear()
        return read

    def resume(self, out: Path) -> int:
        """Take up the state in `out`; the number of steps done."""
        return StateFile(out).restore(self.model, self._optimiser)

    def save_state(self, out: Path, step: int) -> None:
        """Keep the state in `out`."""
        StateFile(out).save(step, self.model, self._optimiser)

    def _weights(self, step: int) -> AbstractContextManager[None]:
        is_rounded = step >= _ROUNDED_FROM * self._num_steps and step % 4 >= 2
        return rounded(self.model, self._recipe) if is_rounded else nullcontext()

    def _teach(self, batch: Lesson, size: Size, teacher: Tensor | None) -> Tensor:
        """Add the gradients of one size; its logits."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.model(batch.token_ids, size).flatten(0, 1)
            logits = self.model.logits(hidden[batch.rows], size)
        loss = F.cross_entropy(logits, batch.targets, ignore_index=IGNORED)
        self._losses.setdefault(size.name, []).append(loss.item())
        if teacher is not None:
            loss = 0.5 * loss + 0.5 * distance(logits, teacher, batch.targets)
        torch.autograd.backward(loss)
        return logits.detach()


def _report(step: int, losses: Mapping[str, float], seconds: float) -> None:
    told = " ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    print(f"step {step} {told} {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
