"""What can be done from the command line?"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemotron_app import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what a command needs is imported by it alone, so that the others start quickly."""
    given = _parser(sys.argv[1:] if arguments is None else list(arguments))
    if given.command == "models":
        from nemotron_app.table import print_models

        print_models()
        return 0
    return _serve(given)


def _parser(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nemotron-playground", description="A playground and API for NVIDIA's Nemotron models."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("models", help="list every model: what runs here, what needs a GPU")
    serve = commands.add_parser("serve", help="serve the page and the API")
    if arguments[:1] == ["serve"]:
        _add_settings(serve)
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


def _serve(given: argparse.Namespace) -> int:
    from nemotron_app.settings import BadSetting, read_settings

    flags: dict[str, Any] = vars(given)
    flags.pop("command")
    try:
        settings = read_settings(flags, flags.pop("config", None))
    except BadSetting as error:
        print(f"nemotron-playground: {error}", file=sys.stderr)
        return 2
    from nemotron_app.run import run

    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
