"""How is the tri-mode demonstration checkpoint made?

`python -m nemotron_backend.recipes.trimode.train --out FOLDER` trains from scratch and can be stopped and
started again at any time.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn import functional as F

from nemotron_backend.recipes import tokenizer
from nemotron_backend.recipes.batches import batches
from nemotron_backend.recipes.dialogue import Dialogue, Script, corpus
from nemotron_backend.recipes.optimiser import Optimiser
from nemotron_backend.recipes.tasks import training
from nemotron_backend.recipes.trimode.network import CONFIG, TriMode
from nemotron_backend.recipes.trimode.noise import Lesson, lesson

_SEED = 2026
_RATE = 3e-3
_TOKENS = 3072
_EVERY = 100
_GENERATION = {"do_sample": False, "bos_token_id": 1, "eos_token_id": 11, "pad_token_id": 0}


def main() -> None:
    """Read the command line, then train to the last step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and resumable state")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.out, options.steps)


def train(out: Path, num_steps: int) -> None:
    """Train, saving every hundred steps; goes on from what `out` holds."""
    torch.manual_seed(_SEED)
    script = Script(_tokenizer(out))
    model = TriMode(CONFIG)
    optimiser = Optimiser(model, rate=_RATE, num_steps=num_steps)
    first = _resume(out, model, optimiser)
    started = time.monotonic()
    for step, dialogues in enumerate(_stream(script, first), start=first):
        if step == num_steps:
            break
        generator = torch.Generator().manual_seed(_SEED + step)
        losses = _step(model, lesson(dialogues, CONFIG["mask_token_id"], generator))
        optimiser.step(step)
        if (step + 1) % _EVERY == 0:
            _report(step + 1, losses, time.monotonic() - started)
            _save_state(out, step + 1, model, optimiser)
    save(out, model)


def save(out: Path, model: TriMode) -> None:
    """Write the checkpoint in Hugging Face format, weights as bfloat16."""
    weights = {name: value.bfloat16().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", "utf-8")
    (out / "generation_config.json").write_text(json.dumps(_GENERATION, indent=2) + "\n", "utf-8")


def _step(model: TriMode, batch: Lesson) -> tuple[float, float]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(batch.token_ids, batch.positions, batch.mask).flatten(0, 1)
        next_logits = model.diffusion_head(hidden[batch.next_rows])
        masked_logits = model.diffusion_head(hidden[batch.masked_rows])
    after = F.cross_entropy(next_logits.float(), batch.next_targets)
    within = F.cross_entropy(masked_logits.float(), batch.masked_targets)
    torch.autograd.backward(after + within)
    return after.item(), within.item()


def _stream(script: Script, first: int) -> Iterator[list[Dialogue]]:
    dialogues = script.dialogues(training(_SEED + 1), _SEED + 2)
    return islice(batches(dialogues, _TOKENS), first, None)


def _tokenizer(out: Path) -> Tokenizer:
    if not (out / "tokenizer.json").exists():
        tokenizer.save(tokenizer.train(corpus(_SEED, 20000), CONFIG["vocab_size"]), out)
    return Tokenizer.from_file(str(out / "tokenizer.json"))


def _resume(out: Path, model: TriMode, optimiser: Optimiser) -> int:
    with suppress(FileNotFoundError):
        state = torch.load(out / "state.pt", weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.restore(state["optimiser"])
        return int(state["step"])
    return 0


def _save_state(out: Path, step: int, model: TriMode, optimiser: Optimiser) -> None:
    # Written beside and renamed, so that a kill at any moment leaves one whole state.
    part = out / "state.part"
    torch.save({"step": step, "model": model.state_dict(), "optimiser": optimiser.state()}, part)
    part.replace(out / "state.pt")


def _report(step: int, losses: tuple[float, float], seconds: float) -> None:
    after, within = losses
    print(f"step {step} next-token {after:.4f} masked {within:.4f} {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
