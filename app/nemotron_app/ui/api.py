"""How does the page talk to the server?

As any client does: over a socket, with the `openai` package. A client lives as long as one call, which
costs a loopback connection and leaves nothing open behind it; so does the token that it sends.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletionChunk
from starlette.requests import HTTPConnection

from nemotron_app.ui.capabilities import Model, parse_models
from nemotron_app.ui.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether questions are answered yet; `progress` is the server's own sentence about it."""

    state: str
    progress: str

    @property
    def is_ready(self) -> bool:
        return self.state == "ready"


class Api:
    """The server's API as this page uses it. Every method may raise `openai.APIError`.

    `visitor` is a request of the person in whose name a call is made; such calls may raise VisitorError.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def models(self, visitor: HTTPConnection) -> tuple[Model, ...]:
        """Every model of the catalog, served or not."""
        async with self._client(await self._site.identify(visitor)) as client:
            return parse_models(await client.get("/models", cast_to=dict[str, Any]))

    async def readiness(self) -> Readiness:
        """How far the engine is. A server that does not answer at all is `unreachable`."""
        async with self._client() as client:
            try:
                told = await client.get("/health/ready", cast_to=dict[str, Any])
            except APIStatusError as error:
                told = error.body if isinstance(error.body, dict) else {}
                return Readiness(state=_state(told, "starting"), progress=_progress(told))
            except APIConnectionError:
                return Readiness(state="unreachable", progress="")
        return Readiness(state=_state(told, "ready"), progress=_progress(told))

    async def answer(
        self, body: Mapping[str, Any], visitor: HTTPConnection
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        """Chunks of the answer. Closing the generator closes the connection, which frees the engine."""
        async with self._client(await self._site.identify(visitor)) as client:
            stream = await client.chat.completions.create(
                model=body["model"],
                messages=body["messages"],
                stream=True,
                stream_options={"include_usage": True},
                extra_body=dict(body),
            )
            async with stream:
                async for chunk in stream:
                    yield chunk

    async def scores(self, body: Mapping[str, Any], visitor: HTTPConnection) -> list[str]:
        """A line of JSON for each answer of the body."""
        async with self._client(await self._site.identify(visitor)) as client:
            told = await client.post("/scores", body=dict(body), cast_to=str)
        return told.splitlines()

    def _client(self, token: str = "none") -> AsyncOpenAI:
        # Loading certificates takes longer than the call when the server is on the loopback.
        is_tls = self._site.api_url.startswith("https:")
        return AsyncOpenAI(
            base_url=f"{self._site.api_url}/v1",
            api_key=token,
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(verify=is_tls, trust_env=is_tls),
        )


def _state(told: Mapping[str, Any], otherwise: str) -> str:
    return str(told.get("state") or told.get("status") or otherwise)


def _progress(told: Mapping[str, Any]) -> str:
    return str(told.get("progress") or told.get("message") or "")
