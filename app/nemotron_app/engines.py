"""Which engine do the settings ask for?"""

from typing import get_args

from nemotron_app.settings import Settings
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.engine import Engine
from nemotron_backend.factory import EngineName, create_engine


async def open_engine(settings: Settings) -> Engine:
    """The engine, at once; what it must load it loads in the background."""
    names = [name for name in get_args(EngineName) if name in settings.engine.split("+")]
    return await create_engine(names, _options(settings))


def _options(settings: Settings) -> EmbeddedOptions:
    return EmbeddedOptions(
        checkpoint=str(settings.checkpoint or ""),
        cache_folder=str(settings.cache_dir or ""),
        num_threads=settings.threads,
        cache_limit_bytes=settings.cache_limit,
        max_running=settings.max_running,
        max_waiting=settings.max_waiting,
        prefill_chunk=settings.prefill_chunk,
        context=settings.context,
    )
