"""How is the tri-mode demonstration checkpoint made?

`python -m nemotron_backend.recipes.trimode.train --out FOLDER` trains from scratch and can be stopped and
started again at any time.
"""

import time
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from nemotron_backend.recipes import config_files, tokenizer
from nemotron_backend.recipes.command import options
from nemotron_backend.recipes.course import course
from nemotron_backend.recipes.dialogue import Script
from nemotron_backend.recipes.optimiser import Optimiser
from nemotron_backend.recipes.state_file import StateFile
from nemotron_backend.recipes.tasks import Level
from nemotron_backend.recipes.trimode.network import CONFIG, TriMode
from nemotron_backend.recipes.trimode.noise import Lesson, lesson

_SEED = 2026
_RATE = 3e-3
_TOKENS = 3072
_EVERY = 100
_STEPS = 4800
# The third level takes more steps to learn than all else.
LEVELS: tuple[Level, ...] = (1, 2)


def main() -> None:
    """Read the command line, then train to the last step."""
    asked = options(__doc__, _STEPS)
    train(asked.out, asked.num_steps)


def train(out: Path, num_steps: int) -> None:
    """Train, saving every hundred steps; goes on from what `out` holds."""
    torch.manual_seed(_SEED)
    script = Script(tokenizer.obtain(out, _SEED, CONFIG["vocab_size"]))
    model = TriMode(CONFIG)
    optimiser = Optimiser(model, rate=_RATE, num_steps=num_steps)
    state = StateFile(out)
    first = state.restore(model, optimiser)
    started = time.monotonic()
    taught = course(script, _SEED + 1, num_steps, _TOKENS, levels=LEVELS)
    for step, dialogues in enumerate(islice(taught, first, num_steps), start=first):
        generator = torch.Generator().manual_seed(_SEED + step)
        losses = _step(model, lesson(dialogues, CONFIG["mask_token_id"], generator))
        optimiser.step(step)
        if (step + 1) % _EVERY == 0:
            _report(step + 1, losses, time.monotonic() - started)
            state.save(step + 1, model, optimiser)
    save(out, model)


def save(out: Path, model: TriMode) -> None:
    """Write the checkpoint in Hugging Face format, weights as bfloat16."""
    config_files.write(CONFIG, out)
    weights = {name: value.bfloat16().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})


def _step(model: TriMode, batch: Lesson) -> tuple[float, float]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(batch.token_ids, batch.positions, batch.mask).flatten(0, 1)
        next_logits = model.diffusion_head(hidden[batch.next_rows])
        masked_logits = model.diffusion_head(hidden[batch.masked_rows])
    after = F.cross_entropy(next_logits.float(), batch.next_targets)
    within = F.cross_entropy(masked_logits.float(), batch.masked_targets)
    torch.autograd.backward(after + within)
    return after.item(), within.item()


def _report(step: int, losses: tuple[float, float], seconds: float) -> None:
    after, within = losses
    print(f"step {step} next-token {after:.4f} masked {within:.4f} {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
