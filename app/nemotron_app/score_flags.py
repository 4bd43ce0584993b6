"""What can be chosen in `nemotron-playground score`?"""

import argparse
from pathlib import Path

KEY = "NEMOTRON_PLAYGROUND_API_KEY"
MOST = 64  # answers a call of the server takes
_SERVER = "http://127.0.0.1:7860/v1"


def add_score(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags of `score`."""
    parser = commands.add_parser(
        "score",
        help="score many answers with a reward model, and go on where a run was broken off",
        description="Reads JSON Lines, each with `messages` that end with an answer, or with `prompt` and "
        "`response`, and writes each with `scores` and `reward` added, or with `error`.",
    )
    parser.add_argument("file", type=Path, help="the answers")
    parser.add_argument("--model", required=True, help="id of a reward model")
    parser.add_argument(
        "--out", type=Path, required=True, help="where lines with scores go; taken up if there"
    )
    parser.add_argument("--server", default=_SERVER, metavar="URL", help=f"its API (default: {_SERVER})")
    parser.add_argument("--key", default="", help=f"its API key (default: ${KEY})")
    parser.add_argument("--batch", type=int, default=32, help=f"answers a call, up to {MOST} (default: 32)")
