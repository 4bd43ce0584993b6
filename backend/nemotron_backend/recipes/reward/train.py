"""How is the reward checkpoint made?

`python -m nemotron_backend.recipes.reward.train --out FOLDER` trains from scratch and can be stopped and
started again at any time.
"""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import NemotronForSequenceClassification

from nemotron_backend.recipes import tokenizer
from nemotron_backend.recipes.batches import batches
from nemotron_backend.recipes.command import options
from nemotron_backend.recipes.optimiser import Optimiser
from nemotron_backend.recipes.reward.lesson import Lesson, Script, lesson
from nemotron_backend.recipes.reward.network import CONFIG, create
from nemotron_backend.recipes.state_file import StateFile
from nemotron_backend.recipes.tasks import Example, Level, training
from nemotron_backend.rewards import ATTRIBUTES, NINE

_SEED = 2032
_RATE = 3e-3
_TOKENS = 2048
_EVERY = 100
_STEPS = 3000
# What the second level asks cannot be checked at one glance by so small a network.
LEVELS: tuple[Level, ...] = (1,)
_EASY = frozenset({"extraction", "tools", "family"})
_EASY_SHARE = 1 / 3


def main() -> None:
    """Read the command line, then train to the last step."""
    asked = options(__doc__, _STEPS)
    train(asked.out, asked.num_steps)


def train(out: Path, num_steps: int) -> None:
    """Train, saving every hundred steps; goes on from what `out` holds."""
    torch.manual_seed(_SEED)
    script = Script(tokenizer.obtain(out, _SEED, CONFIG["vocab_size"]))
    model = create()
    optimiser = Optimiser(model, rate=_RATE, num_steps=num_steps)
    state = StateFile(out)
    first = state.restore(model, optimiser)
    started = time.monotonic()
    taught = batches(script.exchanges(_examples(_SEED + 1), _SEED + 2), _TOKENS)
    for step, exchanges in enumerate(islice(taught, first, num_steps), start=first):
        losses = move(model, lesson(exchanges, script))
        optimiser.step(step)
        if (step + 1) % _EVERY == 0:
            _report(step + 1, losses, time.monotonic() - started)
            state.save(step + 1, model, optimiser)
    save(out, model)


def _examples(seed: int) -> Iterator[Example]:
    """Fewer of those that are easy to judge, and have the longest answers."""
    rng = Random(seed)
    for example in training(seed, LEVELS):
        if example.task not in _EASY or rng.random() < _EASY_SHARE:
            yield example


def save(out: Path, model: NemotronForSequenceClassification) -> None:
    """Write the checkpoint in Hugging Face format, weights as bfloat16."""
    rounded = create(**model.config.to_diff_dict())
    rounded.load_state_dict(model.state_dict())
    rounded.bfloat16().save_pretrained(out)


def move(model: NemotronForSequenceClassification, batch: Lesson) -> tuple[float, float]:
    """Add the gradients of one batch; the mean errors in points and in saying right answers."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(
            batch.token_ids, attention_mask=batch.mask, position_ids=batch.positions
        ).last_hidden_state.flatten(0, 1)
        scores: Tensor = model.score(hidden[batch.ends])
        inner: Tensor = model.score(hidden[batch.inner_rows])
        # There is no head for words: the embedding serves as one while the network learns.
        words = F.linear(hidden[batch.said_rows], model.model.embed_tokens.weight)
    error = F.mse_loss(scores[:, -len(ATTRIBUTES) :].float(), batch.points)
    # Which piece is wrong is learned sooner where it stands than from behind.
    astray = F.mse_loss(inner[:, NINE.index("correctness")].float(), batch.inner_points)
    saying = F.cross_entropy(words.float(), batch.said)
    torch.autograd.backward(error + astray + saying)
    return error.item(), saying.item()


def _report(step: int, losses: tuple[float, float], seconds: float) -> None:
    error, saying = losses
    print(f"step {step} points {error:.4f} saying {saying:.4f} {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
