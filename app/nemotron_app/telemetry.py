"""How does the server do, in numbers and in one log line a request?

Neither ever holds a prompt, an answer or a key. Labels come from the catalog, never from a caller.
"""

import json
import logging
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from nemotron_app.limit_metrics import LimitMetrics
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
        self._registry = CollectorRegistry()
        self.limits = LimitMetrics(self._registry)
        self._requests = self._counter("requests", "Requests answered.", "route", "status", *_VARIANT)
        self._tokens = self._counter("tokens", "Tokens by kind.", "kind", *_VARIANT)
        self._duration = self._seconds("request_duration", "From a request's head to its answer's end.")
        self._first_token = self._seconds("time_to_first_token", "From arrival to the first token.")
        self._inter_token = self._seconds("inter_token_latency", "Mean time between tokens of an answer.")
        self._queue = self._seconds("queue_wait", "From arrival to the first forward.")
        self._yield = self._histogram(
            "tokens_per_forward", "Completion tokens per forward of the network.", _TOKENS_PER_FORWARD
        )
        self._active = self._gauge("active_requests", "Answers under way.")
        self._ready = self._gauge("engine_ready", "1 when the engine answers.")
        self._running = self._gauge("engine_running_requests", "Requests in the engine's batch.")
        self._waiting = self._gauge("engine_waiting_requests", "Requests in the engine's queue.")
        self._cache = self._gauge("engine_cache_bytes", "Attention cache.", "kind")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"playground_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"playground_{name}", text, labels, registry=self._registry)

    def _seconds(self, name: str, text: str) -> Histogram:
        return self._histogram(f"{name}_seconds", text, _SECONDS)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"playground_{name}", text, _VARIANT, buckets=buckets, registry=self._registry)

    def finish(self, scope: Scope, record: Record) -> None:
        """Count and log a request whose answer has ended."""
        route, elapsed = _route_of(scope), perf_counter() - record.started
        variant = _labels(record.variant)
        self._requests.labels(route, str(record.outcome), *variant).inc()
        if record.variant is not None:
            self._duration.labels(*variant).observe(elapsed)
        for usage in record.tally.usages.values():
            self._count(usage, variant)
        if route not in _UNLOGGED:
            requests_log.info(json.dumps(_line(route, elapsed, record)))

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
        if usage.knows_forwards:
            self._yield.labels(*variant).observe(usage.tokens_per_forward)
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
        return generate_latest(self._registry)


_PAGE = "page"
# Asked every few seconds by pages, probes and scrapers; counted like all others.
_UNLOGGED = frozenset({_PAGE, "/v1/health/live", "/v1/health/ready", "/metrics"})
_API = ("/v1/", "/tokenize", "/detokenize", "/metrics")


def _route_of(scope: Scope) -> str:
    """The route's pattern, so that a made-up path makes no new label; the page's own traffic is one."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and scope["path"].startswith(_API) else _PAGE


def _labels(variant: Variant | None) -> tuple[str, ...]:
    if variant is None:
        return ("", "", "", "")
    return (variant.model, variant.size, variant.precision, variant.decode)


def _line(route: str, elapsed: float, record: Record) -> dict[str, Any]:
    """OpenTelemetry's names for generative models where it has them."""
    line: dict[str, Any] = {
        "request_id": record.request_id,
        "http.route": route,
        "http.response.status_code": record.outcome,
        "enduser.id": record.caller.id,
        "duration_ms": round(1000 * elapsed, 3),
    }
    return line if record.variant is None else line | _generation(record.variant, record)


def _generation(variant: Variant, record: Record) -> dict[str, Any]:
    usages = list(record.tally.usages.values())
    first = min((usage.first_token_milliseconds for usage in usages), default=None)
    return {
        "gen_ai.request.model": variant.model,
        "gen_ai.response.model": str(variant),
        "gen_ai.request.stream": record.is_stream,
        "gen_ai.usage.input_tokens": max((usage.prompt_tokens for usage in usages), default=None),
        "gen_ai.usage.output_tokens": record.tally.num_tokens,
        "gen_ai.response.finish_reasons": record.tally.finish_reasons,
        "gen_ai.response.time_to_first_chunk": None if first is None else round(first / 1000, 6),
    }
