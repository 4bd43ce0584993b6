"""Which engine do the settings ask for?"""

from collections.abc import Sequence

from nemotron_app.settings import Settings
from nemotron_app.upstreams import upstream_options
from nemotron_backend.catalog import Catalog
from nemotron_backend.echo import EchoEngine
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.embedded.shelf import Shelf, shelve
from nemotron_backend.engine import Engine
from nemotron_backend.factory import RoutedEngine, create_engine
from nemotron_backend.thinking import ThinkingEngine
from nemotron_backend.upstream import UpstreamEngine


async def open_engine(settings: Settings) -> Engine:
    """The engine, at once; what it must load it loads in the background. Raises Misconfigured.

    Other servers tell thoughts from answers themselves.
    """
    catalog = catalog_for(settings)
    others = [UpstreamEngine(options) for options in upstream_options(settings, catalog)]
    own = [await _open(name, settings) for name in settings.engine.split("+") if name != "upstream"]
    for other in others:
        other.start()
    engines: list[Engine] = [ThinkingEngine(_joined(own), catalog)] if own else []
    return _joined([*engines, *others])


def _joined(engines: Sequence[Engine]) -> Engine:
    return engines[0] if len(engines) == 1 else RoutedEngine(engines)


async def _open(name: str, settings: Settings) -> Engine:
    if name == "echo":
        return EchoEngine(delay=settings.echo_delay)
    return await create_engine(("embedded",), embedded_options(settings))


def catalog_for(settings: Settings) -> Catalog:
    """Every model that a request may name: those that are known, and given checkpoints."""
    return _shelf(settings).catalog


def embedded_options(settings: Settings) -> EmbeddedOptions:
    """What the settings say about the embedded engine."""
    return EmbeddedOptions(
        models=_shelf(settings).models,
        cache_folder=str(settings.cache_dir or ""),
        layout=settings.weights_layout,
        num_threads=settings.threads,
        cache_limit_bytes=settings.cache_limit,
        max_running=settings.max_running,
        max_waiting=settings.max_waiting,
        prefill_chunk=settings.prefill_chunk,
        context=settings.context,
        keeps_prefixes=settings.prefix_reuse,
    )


def _shelf(settings: Settings) -> Shelf:
    return shelve(settings.checkpoint, Catalog.read())
