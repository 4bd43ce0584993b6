"""How do the figures read as Markdown?"""

from collections.abc import Iterator, Sequence

from nemotron_backend.evaluation.measurement import Measurement, Share
from nemotron_backend.evaluation.point import Point

_NONE = "–"


def tables(measurements: Sequence[Measurement]) -> str:
    """For each model, one table of what answers cost and one of exact matches by task and level."""
    models = list(dict.fromkeys(measured.point.variant.model for measured in measurements))
    parts = [_of_model([m for m in measurements if m.point.variant.model == model]) for model in models]
    return "\n\n".join(parts) + "\n"


def short_labels(points: Sequence[Point]) -> list[str]:
    """What tells the points apart: choices that all of them share are left out."""
    columns = list(zip(*(point.parts for point in points), strict=True))
    telling = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if not telling:
        return [point.label for point in points]
    shown = [[point.parts[place] for place in telling] for point in points]
    return [" ".join(filter(None, parts)) or "as it comes" for parts in shown]


def _of_model(measurements: Sequence[Measurement]) -> str:
    labels = short_labels([measured.point for measured in measurements])
    return "\n".join((*_costs(measurements, labels), "", *_exact(measurements, labels)))


def _costs(measurements: Sequence[Measurement], labels: Sequence[str]) -> Iterator[str]:
    is_drafting = any(measured.acceptance for measured in measurements)
    head = ["Exact match", "Tokens", "Tokens a forward", "Tokens a second", "Latency"]
    drafting = ["Accepted", "As autoregressive"] if is_drafting else []
    yield from _head(measurements[0].point.variant.model, head + drafting)
    for measured, label in zip(measurements, labels, strict=True):
        cells = [
            _percent(measured.exact),
            f"{measured.mean_tokens:.0f}",
            f"{measured.tokens_per_forward:.2f}",
            _number(measured.tokens_per_second, ""),
            _number(measured.latency_milliseconds, " ms"),
        ]
        yield _row([label, *cells, *(_drafted(measured) if is_drafting else [])])


def _drafted(measured: Measurement) -> list[str]:
    rate = f"{100 * measured.acceptance.rate:.0f} %" if measured.acceptance else _NONE
    same = measured.identical
    return [rate, f"{same.num_right} of {same.num_all}" if same else _NONE]


def _exact(measurements: Sequence[Measurement], labels: Sequence[str]) -> Iterator[str]:
    tasks, levels = measurements[0].by_task, measurements[0].by_level
    yield from _head("Exact match", ["all", *tasks, *(f"level {level}" for level in levels)])
    for measured, label in zip(measurements, labels, strict=True):
        shares = (measured.exact, *measured.by_task.values(), *measured.by_level.values())
        yield _row([label, *map(_percent, shares)])


def _head(first: str, others: Sequence[str]) -> Iterator[str]:
    yield _row([first, *others])
    yield _row(["---", *("---:" for _ in others)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: Share) -> str:
    return f"{100 * share.value:.1f} %"


def _number(value: float | None, unit: str) -> str:
    return _NONE if value is None else f"{value:,.0f}{unit}"
