"""Who answers an evaluation: an engine of its own, or a running server?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nemotron_app.engines import catalog_for, open_engine
from nemotron_app.settings import Settings
from nemotron_backend.engine import Engine, EngineFailed
from nemotron_backend.evaluation.answer import Asker, EngineAsker
from nemotron_backend.evaluation.server import ServerAsker
from nemotron_backend.request import Variant

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who is asked, what it serves that answers, and what kind of engine it is."""

    asker: Asker
    served: tuple[Variant, ...]
    engine: str


@asynccontextmanager
async def engine_subject(settings: Settings) -> AsyncGenerator[Subject]:
    """An engine as it is served, in a process of its own, once it is ready. Raises EngineFailed."""
    engine = await open_engine(settings)
    try:
        await _ready(engine)
        catalog = catalog_for(settings)
        served = tuple(v for v in engine.variants() if catalog.find(v.model).kind != "reward")
        yield Subject(asker=EngineAsker(engine), served=served, engine=engine.status().name)
    finally:
        await engine.aclose()


@asynccontextmanager
async def server_subject(url: str, key: str) -> AsyncGenerator[Subject]:
    """A server of the API. Raises EngineFailed."""
    server = ServerAsker(url, key)
    try:
        yield Subject(asker=server, served=await server.variants(), engine="server")
    finally:
        await server.aclose()


async def _ready(engine: Engine) -> None:
    while (status := engine.status()).state == "starting":  # noqa: ASYNC110 - it calls nobody
        await asyncio.sleep(_POLL_SECONDS)
    if status.state == "failed":
        raise EngineFailed(status.progress)
