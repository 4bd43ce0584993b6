"""Which engine do the settings ask for?"""

from nemotron_app.settings import Settings
from nemotron_backend.echo import EchoEngine
from nemotron_backend.engine import Engine


async def open_engine(settings: Settings) -> Engine:
    """The engine, at once; what it must load it loads in the background."""
    if settings.engine == "echo":
        return EchoEngine()
    # What runs models is only imported where models run.
    from nemotron_backend.embedded.options import EmbeddedOptions
    from nemotron_backend.factory import create_engine

    return await create_engine(("embedded",), EmbeddedOptions())
