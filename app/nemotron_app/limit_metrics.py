"""How do keys and limits do, in numbers? No label ever names a caller."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from nemotron_app.errors import problem_of
from nemotron_app.limits import FairQueue, LimitError, LimiterStatus, LimitExceeded, QueueFull


class LimitMetrics:
    """Counts who was let in and who was not, and why."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._strangers = Counter(
            "playground_auth_failures", "Requests whose caller was refused.", ["reason"], registry=registry
        )
        self._decisions = Counter(
            "playground_limit_decisions",
            "Requests by what their limits said.",
            ["decision"],
            registry=registry,
        )
        gauges: Mapping[str, str] = {
            "limiter_degraded": "1 while limits are not kept as configured.",
            "limiter_outages": "How often the shared store of limits was given up.",
            "queue_waiting_requests": "Requests that wait for a place in the engine.",
            "queue_running_requests": "Requests that have one.",
        }
        self._gauges = {
            name: Gauge(f"playground_{name}", text, registry=registry) for name, text in gauges.items()
        }

    def stranger(self, error: Exception) -> None:
        """A request was refused before its body was read."""
        problem = problem_of(error)
        self._strangers.labels(problem.code or str(problem.status)).inc()

    def decided(self, refusal: LimitError | None) -> None:
        """The limits let a request pass, or refused it."""
        self._decisions.labels(_decision(refusal)).inc()

    def watch(self, status: LimiterStatus, queue: FairQueue) -> None:
        """Take over how things stand."""
        self._gauges["limiter_degraded"].set(status.is_degraded)
        self._gauges["limiter_outages"].set(status.num_outages)
        self._gauges["queue_waiting_requests"].set(queue.num_waiting)
        self._gauges["queue_running_requests"].set(queue.num_running)


def _decision(refusal: LimitError | None) -> str:
    match refusal:
        case None:
            return "granted"
        case LimitExceeded(limit=limit):
            return limit.name
        case QueueFull():
            return "queue_full"
        case _:
            return "unavailable"
