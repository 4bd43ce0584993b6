"""What does the command line of a training say?"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True)
class Options:
    """The folder for checkpoint and resumable state, and the last step."""

    out: Path
    num_steps: int


def options(description: str | None, num_steps: int) -> Options:
    """Read the command line; the number of threads takes effect at once."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and resumable state")
    parser.add_argument("--steps", type=int, default=num_steps)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    read = parser.parse_args()
    torch.set_num_threads(read.threads)
    return Options(read.out, read.steps)
