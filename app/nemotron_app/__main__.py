"""What can be done from the command line?"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemotron_app import __version__
from nemotron_app.conversion import add_extract, add_quantize, extract_size, quantize_checkpoint
from nemotron_app.evaluation_flags import add_evaluate
from nemotron_app.score_flags import add_score

if TYPE_CHECKING:
    from nemotron_app.settings import Settings

_SERVER = "http://127.0.0.1:7860"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what a command needs is imported by it alone, so that the others start quickly."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser(words)
    given.words = words[1:]
    return _COMMANDS[given.command](given)


def _parser(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nemotron-playground", description="A playground and API for NVIDIA's Nemotron models."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("models", help="list every model: what runs here, what needs a GPU")
    serve = commands.add_parser("serve", help="serve the page and the API")
    login = commands.add_parser("login", help="get an API key from a server; a browser must agree")
    login.add_argument("server", nargs="?", default=_SERVER, help=f"its address (default: {_SERVER})")
    login.add_argument(
        "--scope", default="", help="what the key may do, as in 'models:read chat'; all if unset"
    )
    service = commands.add_parser("service", help="let a program get keys with credentials of its own")
    add = service.add_subparsers(dest="action", required=True).add_parser("add", help="add one, print them")
    add.add_argument("name", help="what it is called on pages and in logs")
    add.add_argument("--tier", default="free", help="its limits (default: free)")
    add.add_argument("--scope", default="", help="what its keys may do; all if unset")
    add_extract(commands)
    add_quantize(commands)
    add_evaluate(commands)
    add_score(commands)
    for command, reader in {"serve": serve, "service": add}.items():
        # Only then are the settings imported.
        if arguments[:1] == [command]:
            _add_settings(reader)
    return parser.parse_args(arguments)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting, documented where the setting is."""
    from nemotron_app.settings import PREFIX, Settings

    parser.epilog = f"Every flag is also a key of the file and a variable, such as {PREFIX}PORT."
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    for name, field in Settings.model_fields.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar="VALUE",
            default=argparse.SUPPRESS,
            help=f"{field.description} (default: {field.default})".replace("%", "%%"),
        )


def _models(given: argparse.Namespace) -> int:
    from nemotron_app.table import print_models

    print_models()
    return 0


def _login(given: argparse.Namespace) -> int:
    from nemotron_app.login import print_key

    return print_key(given.server, given.scope)


def _serve(given: argparse.Namespace) -> int:
    settings = _settings(given)
    if settings is None:
        return 2
    from nemotron_app.run import run

    return run(settings)


def _add_service(given: argparse.Namespace) -> int:
    settings = _settings(given)
    if settings is None:
        return 2
    from nemotron_app.service import add_service

    return add_service(settings, given.name, tier=given.tier, scope=given.scope)


def _evaluate(given: argparse.Namespace) -> int:
    from nemotron_app.evaluate import run

    return run(given)


def _score(given: argparse.Namespace) -> int:
    from nemotron_app.score import run

    return run(given)


def _settings(given: argparse.Namespace) -> "Settings | None":
    """The settings among what was given; None if they are wrong, which is told."""
    from nemotron_app.settings import BadSetting, Settings, read_settings

    flags: dict[str, Any] = {
        name: value for name, value in vars(given).items() if name in Settings.model_fields
    }
    try:
        return read_settings(flags, getattr(given, "config", None))
    except BadSetting as error:
        print(f"nemotron-playground: {error}", file=sys.stderr)
        return None


_COMMANDS = {
    "models": _models,
    "login": _login,
    "serve": _serve,
    "service": _add_service,
    "extract": extract_size,
    "quantize": quantize_checkpoint,
    "evaluate": _evaluate,
    "score": _score,
}

if __name__ == "__main__":
    sys.exit(main())
