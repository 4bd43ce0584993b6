"""How is a draft adapter for SmolLM2 made?

`python -m nemotron_backend.recipes.adapter.train --out FOLDER --minutes 60` lets the model talk, learns from
that, and can be stopped and started again at any time. It leaves FOLDER/linear_spec_lora.
"""

import argparse
import json
import time
from pathlib import Path
from random import Random

import torch

from nemotron_backend.model.adapter_folder import FOLDER
from nemotron_backend.model.load import load_network
from nemotron_backend.model.network import Network
from nemotron_backend.recipes.adapter.network import Frozen
from nemotron_backend.recipes.adapter.saving import save
from nemotron_backend.recipes.adapter.speech import Scene, speak
from nemotron_backend.recipes.adapter.trainer import BLOCKS, Trainer
from nemotron_backend.recipes.dialogue import Dialogue
from nemotron_backend.smollm2 import default_cache_folder, prepare

_SEED = 2026
_RANK = 64
_VOICES = 16  # conversations that are spoken at once
_STEPS_A_ROUND = 16
_TOKENS = 1024


def main() -> None:
    """Read the command line, then train until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for adapter and resumable state")
    parser.add_argument("--minutes", type=float, default=60, help="of training, over all starts")
    parser.add_argument("--checkpoint", type=Path, help="a Llama in Hugging Face format in place of SmolLM2")
    parser.add_argument("--end", default="<|im_end|>", help="what ends a turn in its chat template")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.checkpoint or prepare(default_cache_folder(), lambda step, _: print(step, flush=True))
    train(folder, options.out, options.end, 60 * options.minutes)


def train(folder: Path, out: Path, end: str, seconds: float) -> None:
    """Speak and learn in turns; goes on from what `out` holds."""
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(Frozen.open(folder), _RANK, _SEED)
    state, spoken = out / "state.pt", out / "dialogues.json"
    if state.exists():
        trainer.restore(state)
    network, scene = load_network(folder, "bf16"), Scene.read(folder, end)
    while trainer.seconds < seconds:
        started = time.monotonic()
        pool = _listen(network, scene, spoken, _SEED + trainer.num_steps)
        said = time.monotonic()
        _learn(trainer, pool, seconds, started)
        trainer.save(state)
        save(trainer.adapter, max(BLOCKS), out / FOLDER)
        print(f"  of {time.monotonic() - started:.0f} s, {said - started:.0f} s to speak", flush=True)


def _learn(trainer: Trainer, pool: list[Dialogue], seconds: float, started: float) -> None:
    """The steps of one round, as far as the time goes."""
    before = trainer.seconds
    progress = []
    for _ in range(_STEPS_A_ROUND):
        batch = choose(pool, _TOKENS, Random(_SEED + trainer.num_steps))
        progress.append(trainer.step(batch, trainer.seconds / seconds))
        trainer.seconds = before + time.monotonic() - started
        if trainer.seconds >= seconds:
            break
    loss, agreement = (
        sum(getattr(step, name) for step in progress) / len(progress) for name in ("loss", "agreement")
    )
    print(
        f"step {trainer.num_steps} loss {loss:.4f} agreement {agreement:.3f} "
        f"of {len(pool)} dialogues, {trainer.seconds:.0f} s",
        flush=True,
    )


def choose(pool: list[Dialogue], num_tokens: int, rng: Random) -> list[Dialogue]:
    """Dialogues of like length from a pool, so that little is padding; one at least."""
    ranked = sorted(pool, key=len)
    longest = rng.randrange(len(ranked))
    count = max(1, num_tokens // len(ranked[longest]))
    return ranked[max(0, longest - count + 1) : longest + 1]


def _listen(network: Network, scene: Scene, file: Path, seed: int) -> list[Dialogue]:
    """All that was ever said, and as much again as is said at once."""
    generator = torch.Generator().manual_seed(seed)
    new = [dialogue for dialogue in speak(network, scene, _VOICES, generator) if len(dialogue.answer) > 1]
    pool = [*_read(file), *new]
    part = file.with_suffix(".part")
    part.write_text(json.dumps([(dialogue.prompt, dialogue.answer) for dialogue in pool]), "ascii")
    part.replace(file)
    return pool


def _read(file: Path) -> list[Dialogue]:
    if not file.exists():
        return []
    pairs = json.loads(file.read_text("ascii"))
    return [Dialogue(prompt=tuple(prompt), answer=tuple(answer)) for prompt, answer in pairs]


if __name__ == "__main__":
    main()
