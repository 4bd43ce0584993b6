"""How does the server do, in numbers and in one log line a request?

Neither ever holds a prompt, an answer or a key. Labels come from the catalog, never from a caller.
"""

import json
import logging
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from nemotron_app.record import Record
from nemotron_backend.engine import EngineStatus
from nemotron_backend.request import Usage, Variant

_VARIANT = ("model", "size", "precision", "decode")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TOKENS_PER_FORWARD = (0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32)

requests_log = logging.getLogger("nemotron_app.requests")


class Telemetry:
    """The server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = {"registry": self.registry}
        self._requests = Counter(
            "playground_requests", "Requests answered.", ("route", "status", *_VARIANT), **of
        )
        self._tokens = Counter("playground_tokens", "Tokens by kind.", ("kind", *_VARIANT), **of)
        self._duration = self._seconds("request_duration", "From a request's head to its answer's end.")
        self._first_token = self._seconds("time_to_first_token", "From arrival to the first token.")
        self._inter_token = self._seconds("inter_token_latency", "Mean time between tokens of an answer.")
        self._queue = self._seconds("queue_wait", "From arrival to the first forward.")
        self._tokens_per_forward = Histogram(
            "playground_tokens_per_forward",
            "Completion tokens per forward of the network.",
            _VARIANT,
            buckets=_TOKENS_PER_FORWARD,
            **of,
        )
        self._active = Gauge("playground_active_requests", "Answers under way.", **of)
        self._ready = Gauge("playground_engine_ready", "1 when the engine answers.", **of)
        self._running = Gauge("playground_engine_running_requests", "Requests in the engine's batch.", **of)
        self._waiting = Gauge("playground_engine_waiting_requests", "Requests in the engine's queue.", **of)
        self._cache = Gauge("playground_engine_cache_bytes", "Attention cache.", ("kind",), **of)

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"playground_{name}_seconds", text, _VARIANT, buckets=_SECONDS, registry=self.registry
        )

    def finish(self, scope: Scope, record: Record) -> None:
        """Count and log a request whose answer has ended."""
        route = _route_of(scope)
        status = record.late_status or record.status
        variant = _labels(record.variant)
        self._requests.labels(route, str(status), *variant).inc()
        elapsed = perf_counter() - record.started
        if record.variant is not None:
            self._duration.labels(*variant).observe(elapsed)
        for usage in record.tally.usages.values():
            self._count(usage, variant)
        if route.startswith("/v1") or route.endswith("tokenize"):
            requests_log.info(json.dumps(_line(route, status, elapsed, record)))

    def _count(self, usage: Usage, variant: tuple[str, ...]) -> None:
        kinds = {
            "prompt": usage.prompt_tokens,
            "cached": usage.cached_tokens,
            "completion": usage.completion_tokens,
            "reasoning": usage.reasoning_tokens,
        }
        for kind, number in kinds.items():
            self._tokens.labels(kind, *variant).inc(number)
        self._first_token.labels(*variant).observe(usage.first_token_milliseconds / 1000)
        self._queue.labels(*variant).observe(usage.queue_milliseconds / 1000)
        self._tokens_per_forward.labels(*variant).observe(usage.tokens_per_forward)
        if usage.tokens_per_second > 0:
            self._inter_token.labels(*variant).observe(1 / usage.tokens_per_second)

    def expose(self, status: EngineStatus, num_active: int) -> bytes:
        """All metrics in Prometheus' text format."""
        self._active.set(num_active)
        self._ready.set(status.state == "ready")
        self._running.set(status.num_running)
        self._waiting.set(status.num_waiting)
        self._cache.labels("used").set(status.cache_used_bytes)
        self._cache.labels("limit").set(status.cache_limit_bytes)
        return generate_latest(self.registry)


def _route_of(scope: Scope) -> str:
    """The route's pattern, so that a made-up path cannot make a new label."""
    path = getattr(scope.get("route"), "path", "")
    return path or "unmatched"


def _labels(variant: Variant | None) -> tuple[str, ...]:
    if variant is None:
        return ("", "", "", "")
    return (variant.model, variant.size, variant.precision, variant.decode)


def _line(route: str, status: int, elapsed: float, record: Record) -> dict[str, Any]:
    """OpenTelemetry's names for generative models where it has them."""
    usages = list(record.tally.usages.values())
    line: dict[str, Any] = {
        "request_id": record.request_id,
        "http.route": route,
        "http.response.status_code": status,
        "enduser.id": record.caller.id,
        "duration_ms": round(1000 * elapsed, 3),
    }
    if record.variant is not None:
        line |= {
            "gen_ai.request.model": record.variant.model,
            "playground.variant": str(record.variant),
            "gen_ai.request.stream": record.is_stream,
            "gen_ai.usage.input_tokens": max((usage.prompt_tokens for usage in usages), default=0),
            "gen_ai.usage.output_tokens": record.tally.num_tokens,
            "gen_ai.response.finish_reasons": list(record.tally.finish_reasons),
        }
    if usages:
        line["gen_ai.response.time_to_first_chunk"] = min(u.first_token_milliseconds for u in usages) / 1000
    return line
