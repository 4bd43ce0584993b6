"""How is another server asked, and how are its answers waited for?

The key goes into the header of each request, and nowhere else: no message and no log has it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2
import msgspec

from nemotron_backend.engine import EngineError, EngineFailed
from nemotron_backend.request import GenerationRequest
from nemotron_backend.upstream.chunk import Chunk
from nemotron_backend.upstream.options import UpstreamOptions
from nemotron_backend.upstream.refusal import broken, refusal
from nemotron_backend.upstream.reply import Models, Tokens, Words

Reply = TypeVar("Reply")
Sleep = Callable[[float], Awaitable[None]]

_PAUSE = 0.5
_DONE = "[DONE]"


class Connection:
    """Asks one server. Every method raises EngineError."""

    def __init__(self, options: UpstreamOptions, *, sleep: Sleep = asyncio.sleep) -> None:
        self._options = options
        self._sleep = sleep
        self._client = httpx2.AsyncClient(
            headers={"authorization": f"Bearer {options.key}"} if options.key else {},
            # Answers take as long as they take; who waits for one says when that is too long.
            timeout=httpx2.Timeout(None, connect=options.seconds),
            limits=httpx2.Limits(max_connections=None),
        )

    async def chunks(
        self, path: str, body: dict[str, Any], request: GenerationRequest
    ) -> AsyncGenerator[Chunk, None]:
        """The chunks of an answer; one if it comes whole. Closing it closes the connection."""
        question = self._client.build_request("POST", f"{self._options.url}{path}", json=body)
        async with self._answering(question, request) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                yield self._chunk(await response.aread(), request)
                return
            async for event in httpx2.EventSource(response):
                if event.data == _DONE:
                    return
                if event.data:
                    yield self._chunk(event.data.encode(), request)

    async def models(self) -> frozenset[str]:
        """The names of the server's models."""
        listed = await self._ask("GET", f"{self._options.url}/models", None, Models)
        return frozenset(model.id for model in listed.data)

    async def tokenize(self, body: dict[str, Any]) -> tuple[int, ...]:
        """The token ids of a prompt."""
        return tuple((await self._ask("POST", self._beside("tokenize"), body, Tokens)).tokens)

    async def detokenize(self, body: dict[str, Any]) -> str:
        """The text of token ids."""
        return (await self._ask("POST", self._beside("detokenize"), body, Words)).prompt

    async def aclose(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    def _beside(self, route: str) -> str:
        """These routes stand beside those of OpenAI, not among them."""
        return f"{self._options.url.removesuffix('/v1')}/{route}"

    async def _ask(self, method: str, url: str, body: dict[str, Any] | None, kind: type[Reply]) -> Reply:
        question = self._client.build_request(method, url, json=body, timeout=self._options.seconds)
        async with self._answering(question, None) as response:
            content = await response.aread()
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise self._strange(error) from error

    @asynccontextmanager
    async def _answering(
        self, question: httpx2.Request, request: GenerationRequest | None
    ) -> AsyncGenerator[httpx2.Response, None]:
        """A good answer, of which the head has come; what is promised for later is waited for."""
        try:
            response = await self._client.send(question, stream=True)
            while response.status_code == 202:
                await response.aclose()
                await self._sleep(_PAUSE)
                question = self._client.build_request("GET", self._status_url(response))
                response = await self._client.send(question, stream=True)
            try:
                if response.status_code != 200:
                    raise await self._refusal(response, request)
                yield response
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    async def _refusal(self, response: httpx2.Response, request: GenerationRequest | None) -> EngineError:
        content = await response.aread()
        if self._options.key:
            content = content.replace(self._options.key.encode(), b"(the key)")
        return refusal(response.status_code, response.headers, content, self._options.name, request)

    def _status_url(self, response: httpx2.Response) -> str:
        """Where a promised answer is asked for; the id must not lead elsewhere."""
        promised = response.headers.get("nvcf-reqid", "")
        if not self._options.status_url or not promised.replace("-", "").isalnum():
            raise EngineFailed(
                f"{self._options.name} promises its answer for later (202), and not where it can be asked "
                "for; whoever runs this server sets `status_url` under `upstreams`"
            )
        return f"{self._options.status_url}/{promised}"

    def _chunk(self, content: bytes, request: GenerationRequest) -> Chunk:
        try:
            chunk = msgspec.json.decode(content, type=Chunk)
        except msgspec.DecodeError as error:
            raise self._strange(error) from error
        if chunk.error:
            raise broken(chunk.error, self._options.name, request)
        return chunk

    def _strange(self, error: Exception) -> EngineFailed:
        return EngineFailed(f"{self._options.name} answers in another form than OpenAI's: {error}")

    def _unreachable(self, error: Exception) -> EngineFailed:
        """Without the error's own words, which may hold addresses."""
        return EngineFailed(f"the connection to {self._options.name} failed ({type(error).__name__})")
