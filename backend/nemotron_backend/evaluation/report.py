"""What does report.json say?

    {"format": "nemotron-playground-evaluation", "version": 1, "command", "made", "server", "machine",
     "versions", "plan": {"seed", "tasks", "examples", "timed", "max_tokens", "concurrency"},
     "points": [{"label", "variant", "decoding", "thinking", "exact": {"right", "of", "share", "low", "high"},
                 "by_task", "by_level", "tokens_per_forward", "acceptance", "latency_ms", ...}]}

`version` changes when a reader of the old form would go wrong. Times are milliseconds, shares 0 to 1.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nemotron_backend.evaluation.measurement import Acceptance, Measurement, Share
from nemotron_backend.evaluation.point import Point

FORMAT = "nemotron-playground-evaluation"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the figures come from: the command, when, which server if any, and which programs."""

    command: str
    made: str
    server: str
    versions: Mapping[str, str]
    plan: Mapping[str, Any]


def report_of(measurements: Sequence[Measurement], origin: Origin) -> dict[str, Any]:
    """The report as JSON values. The machine is told where the engine ran on this one."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "command": origin.command,
        "made": origin.made,
        "server": origin.server or None,
        "machine": None if origin.server else _machine(),
        "versions": dict(origin.versions),
        "plan": dict(origin.plan),
        "points": [_point(measurement) for measurement in measurements],
    }


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _point(measured: Measurement) -> dict[str, Any]:
    return {
        "label": measured.point.label,
        **_choices(measured.point),
        "exact": _share(measured.exact),
        "by_task": {task: _share(share) for task, share in measured.by_task.items()},
        "by_level": {str(level): _share(share) for level, share in measured.by_level.items()},
        "mean_tokens": measured.mean_tokens,
        "mean_reasoning_tokens": measured.mean_reasoning_tokens,
        "tokens_per_forward": measured.tokens_per_forward,
        "acceptance": _acceptance(measured.acceptance),
        "identical_to_autoregressive": _share(measured.identical) if measured.identical else None,
        "tokens_per_second": measured.tokens_per_second,
        "latency_ms": measured.latency_milliseconds,
        "cached_share_of_prompts": measured.cached_share,
        "throughput": measured.throughput,
    }


def _choices(point: Point) -> dict[str, Any]:
    return {
        "variant": asdict(point.variant),
        "decoding": asdict(point.decoding),
        "thinking": {"is_on": point.is_thinking, **asdict(point.thinking)},
    }


def _share(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"right": share.num_right, "of": share.num_all, "share": share.value, "low": low, "high": high}


def _acceptance(acceptance: Acceptance | None) -> dict[str, Any] | None:
    if acceptance is None:
        return None
    return {
        "drafted": acceptance.num_drafted,
        "accepted": acceptance.num_accepted,
        "rate": acceptance.rate,
        "mean_length": acceptance.mean_length,
        "histogram": list(acceptance.histogram),
    }
