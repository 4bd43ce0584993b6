"""A server that speaks OpenAI's protocol in NVIDIA's dialect, over the engine that repeats what it is told.

It refuses a wrong key with 403, a model that it does not have with a 404 of plain text, and everything else
with `status`, `title` and `detail`; it may promise an answer with 202 and have it asked for.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.engine import ContextTooLong, InvalidRequest
from nemotron_backend.request import (
    Conversation,
    Delta,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    Stopping,
    Text,
    TokenIds,
)

NAME = "nvidia/echo"


@dataclass
class NvidiaDialect:
    """What the server does, and what it has seen.

    `planned` answers come before any of its own, and `planned_lists` before any list of its models.
    """

    key: str = "nvapi-right"
    num_promises: int = 0
    tells_usage: bool = True
    delay: float = 0.0
    planned: list[Response] = field(default_factory=list[Response])
    planned_lists: list[Response] = field(default_factory=list[Response])
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    num_running: int = 0
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    _promised: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def app(self) -> Starlette:
        """The server as an application."""
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/completions", self._complete, methods=["POST"]),
                Route("/status/{promise}", self._status),
                Route("/tokenize", self._tokenize, methods=["POST"]),
                Route("/detokenize", self._detokenize, methods=["POST"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        if self.planned_lists:
            return self.planned_lists.pop(0)
        return JSONResponse({"object": "list", "data": [{"id": NAME, "object": "model"}]})

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        if refused := self._refused(request):
            return refused
        if self.planned:
            return self.planned.pop(0)
        if body["model"] != NAME:
            return PlainTextResponse("404 page not found", 404)
        if self.num_promises:
            promise = secrets.token_hex(8)
            self._promised[promise] = body
            return self._promise(promise)
        return await self._answer(body)

    async def _status(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        promise = request.path_params["promise"]
        self.num_promises -= 1
        return self._promise(promise) if self.num_promises else await self._answer(self._promised[promise])

    async def _answer(self, body: dict[str, Any]) -> Response:
        events = self._events(body)
        try:
            first = await anext(events)
        except ContextTooLong as error:
            words = f"This model's maximum context length is {error.limit} tokens. However, you requested "
            return problem(400, f"{words}{error.num_tokens} tokens. Please reduce the length.")
        except InvalidRequest as error:
            return problem(400, str(error))
        return StreamingResponse(_rest(first, events), media_type="text/event-stream")

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        self.num_running += 1
        deltas = EchoEngine(delay=self.delay).stream(_request(body))
        options, num_tokens = body.get("stream_options", {}), 0
        try:
            async for delta in deltas:
                num_tokens += len(delta.tokens)
                chunk: dict[str, Any] = {"object": "chunk", "choices": [_choice(delta, body)]}
                if options.get("continuous_usage_stats"):
                    chunk["usage"] = {"prompt_tokens": 0, "completion_tokens": num_tokens}
                yield f"data: {json.dumps(chunk)}\n\n"
                if delta.usage and options.get("include_usage") and self.tells_usage:
                    yield f"data: {json.dumps({'choices': [], 'usage': _usage(delta)})}\n\n"
            yield "data: [DONE]\n\n"
        finally:
            await deltas.aclose()
            self.num_running -= 1
            self.freed.set()

    async def _tokenize(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        tokens = await EchoEngine().tokenize(ECHO.model, _prompt(await request.json()))
        return JSONResponse({"tokens": tokens, "count": len(tokens), "max_model_len": 4096})

    async def _detokenize(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        try:
            token_ids = tuple((await request.json())["tokens"])
            return JSONResponse({"prompt": await EchoEngine().detokenize(ECHO.model, token_ids)})
        except InvalidRequest as error:
            return problem(400, str(error))

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            said = request.headers.get("authorization", "")
            return problem(403, f"Authorization failed for {said}")
        return None

    def _promise(self, promise: str) -> Response:
        headers = {"nvcf-reqid": promise, "nvcf-status": "pending-evaluation"}
        return Response(status_code=202, headers=headers)


def problem(status: int, detail: str, **headers: str) -> Response:
    """A refusal as NVIDIA words it."""
    titles = {400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests"}
    body = {"status": status, "title": titles.get(status, "Failure"), "detail": detail}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def _request(body: dict[str, Any]) -> GenerationRequest:
    logprobs = body.get("top_logprobs") if "messages" in body else body.get("logprobs")
    return GenerationRequest(
        id="upstream",
        variant=ECHO,
        prompt=_prompt(body),
        sampling=Sampling(
            temperature=body["temperature"],
            top_p=body["top_p"],
            top_k=body.get("top_k", 0),
            min_p=body.get("min_p", 0.0),
            repetition_penalty=body.get("repetition_penalty", 1.0),
            presence_penalty=body.get("presence_penalty", 0.0),
            frequency_penalty=body.get("frequency_penalty", 0.0),
            logit_bias=(),
            seed=body.get("seed", 0),
        ),
        stopping=Stopping(
            max_tokens=body["max_tokens"],
            strings=tuple(body.get("stop", ())),
            token_ids=tuple(body.get("stop_token_ids", ())),
            ignore_eos=body.get("ignore_eos", False),
        ),
        num_choices=1,
        num_top_logprobs=logprobs,
        trace=False,
    )


def _prompt(body: dict[str, Any]) -> Prompt:
    match body:
        case {"messages": messages}:
            said = (Message(role=message["role"], content=message["content"]) for message in messages)
            return Conversation(messages=tuple(said))
        case {"prompt": str(text)}:
            return Text(text=text)
        case _:
            return TokenIds(token_ids=tuple(body["prompt"]))


def _choice(delta: Delta, body: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": delta.finish}
    if "messages" not in body:
        logprobs = {"tokens": [delta.text], "token_logprobs": [0.0], "top_logprobs": [{delta.text: 0.0}]}
        has_logprobs = body.get("logprobs") is not None and delta.tokens
        return choice | {"text": delta.text, "logprobs": logprobs if has_logprobs else None}
    entries: list[dict[str, Any]] = [
        {"token": delta.text, "logprob": token.logprob, "bytes": list(token.bytes), "top_logprobs": []}
        for token in delta.tokens
    ]
    shown = body.get("logprobs") and entries
    return choice | {"delta": {"content": delta.text}, "logprobs": {"content": entries} if shown else None}


def _usage(delta: Delta) -> dict[str, Any]:
    assert delta.usage is not None
    return {
        "prompt_tokens": delta.usage.prompt_tokens,
        "completion_tokens": delta.usage.completion_tokens,
        "total_tokens": delta.usage.prompt_tokens + delta.usage.completion_tokens,
    }


async def _rest(first: str, events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    try:
        yield first
        async for event in events:
            yield event
    finally:
        await events.aclose()


class _Server(uvicorn.Server):
    """Serves inside the test's own loop and leaves its signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def running(dialect: NvidiaDialect) -> AsyncGenerator[str, None]:
    """The server's address while it runs."""
    config = uvicorn.Config(
        dialect.app(), port=0, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    await server.is_up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
