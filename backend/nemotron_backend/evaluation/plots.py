"""How do the figures look?

One SVG file a plot, without a background and in colours that read on white and on black alike.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nemotron_backend.evaluation.measurement import Measurement
from nemotron_backend.evaluation.pareto import best
from nemotron_backend.evaluation.table import short_labels

_INK = "#717d8a"
_COLOURS = ("#3b82d6", "#d97b29", "#2f9e6e", "#a05fd6", "#d6455d", "#8a8d2f")
_MARKERS = ("o", "s", "^", "v", "P", "X", "*", "h")
_PAIR = "D"
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "font.size": 11,
    "grid.alpha": 0.25,
    "grid.color": _INK,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "svg.hashsalt": "nemotron-playground",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def draw(measurements: Sequence[Measurement], folder: Path) -> list[Path]:
    """Every plot that the figures give, for each model its own; the files that were written."""
    models = list(dict.fromkeys(measured.point.variant.model for measured in measurements))
    written: list[Path] = []
    for model in models:
        own = [measured for measured in measurements if measured.point.variant.model == model]
        for name, figure in _figures(own):
            written.append(folder / f"{model}-{name}.svg")
            # Without a date, the same figures give the same file.
            figure.savefig(written[-1], transparent=True, bbox_inches="tight", metadata={"Date": None})
    return written


def _figures(measurements: Sequence[Measurement]) -> Iterator[tuple[str, Figure]]:
    timed = [measured for measured in measurements if measured.latency_milliseconds is not None]
    with mpl.rc_context(_STYLE):
        if len(timed) > 1:
            yield "latency", _accuracy_against_latency(timed)
        if any(measured.point.variant.decode != "autoregressive" for measured in measurements):
            yield "tokens-per-forward", _accuracy_against_tokens_per_forward(measurements)
        if drafting := [measured for measured in measurements if measured.acceptance]:
            yield "acceptance", _acceptance(drafting)


def _accuracy_against_latency(measurements: Sequence[Measurement]) -> Figure:
    figure, axes = _canvas("Seconds for an answer, one at a time")
    places = [((m.latency_milliseconds or 0.0) / 1000, m.exact.value) for m in measurements]
    labels = short_labels([m.point for m in measurements])
    groups = _groups(measurements)
    line = best(places)
    reached = [places[place] for place in line]
    axes.plot(*zip(*reached, strict=True), color=_INK, linewidth=1.5, zorder=1, label="none is better")
    _scatter(axes, measurements, places, groups)
    for place in line:
        # Nothing lies above a point of the line and left of it.
        label = labels[place].replace(groups[place], "").strip()
        axes.annotate(
            label, places[place], xytext=(-6, 6), textcoords="offset points", fontsize=9, ha="right"
        )
    _legend(axes)
    return figure


def _accuracy_against_tokens_per_forward(measurements: Sequence[Measurement]) -> Figure:
    figure, axes = _canvas("Tokens per forward of the network")
    curves: dict[tuple[str, ...], list[Measurement]] = {}
    for measured in measurements:
        parts = measured.point.parts
        # All but the threshold, along which a curve runs.
        curves.setdefault((*parts[:4], *parts[5:]), []).append(measured)
    labels = short_labels([curve[0].point for curve in curves.values()])
    for index, (curve, label) in enumerate(zip(curves.values(), labels, strict=True)):
        curve.sort(key=lambda measured: measured.point.decoding.threshold)
        places = [(measured.tokens_per_forward, measured.exact.value) for measured in curve]
        colour, marker = _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]
        name = label.replace(curve[0].point.parts[4], "").strip() if len(curve) > 1 else label
        axes.plot(*zip(*places, strict=True), color=colour, marker=marker, label=name, alpha=0.9)
        for measured, place in zip(curve, places, strict=True):
            if len(curve) > 1:
                threshold = f"{measured.point.decoding.threshold:g}"
                axes.annotate(threshold, place, xytext=(7, 3), textcoords="offset points", fontsize=9)
    _legend(axes)
    return figure


def _acceptance(measurements: Sequence[Measurement]) -> Figure:
    figure = Figure(figsize=(7.2, 0.9 + 1.5 * len(measurements)), layout="constrained")
    rows = figure.subplots(len(measurements), 1, sharex=True, squeeze=False)[:, 0]
    labels = short_labels([measured.point for measured in measurements])
    for axes, measured, label in zip(rows, measurements, labels, strict=True):
        assert measured.acceptance is not None
        histogram = measured.acceptance.histogram
        axes.bar(range(len(histogram)), [count / sum(histogram) for count in histogram], color=_COLOURS[0])
        axes.set_title(f"{label}: {measured.acceptance.mean_length:.2f} tokens a verification", fontsize=11)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    rows[-1].set_xlabel("Drafted tokens that a verification accepted")
    return figure


def _canvas(x_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x_label)
    axes.set_ylabel("Exact match")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.margins(0.12)
    return figure, axes


def _groups(measurements: Sequence[Measurement]) -> list[str]:
    """What a colour stands for: the precision, or the decode mode where there are several."""
    decodes = [measured.point.variant.decode for measured in measurements]
    precisions = [measured.point.variant.precision for measured in measurements]
    return [*decodes] if len(set(decodes)) > 1 else [*precisions]


def _scatter(
    axes: Axes,
    measurements: Sequence[Measurement],
    places: Sequence[tuple[float, float]],
    groups: Sequence[str],
) -> None:
    """The mark tells the size."""
    colours = _assigned(groups, _COLOURS)
    marks = _assigned([m.point.variant.size for m in measurements if not m.point.is_pair], _MARKERS)
    for measured, place, group in zip(measurements, places, groups, strict=True):
        marker = _PAIR if measured.point.is_pair else marks[measured.point.variant.size]
        axes.plot(*place, marker=marker, color=colours[group], markersize=8, linestyle="", alpha=0.9)
    entries = [(name, "o", colour) for name, colour in colours.items()]
    entries += [(size, marker, _INK) for size, marker in marks.items() if len(marks) > 1]
    if any(measured.point.is_pair for measured in measurements):
        entries.append(("one thinks, one answers", _PAIR, _INK))
    for name, marker, colour in entries:
        axes.plot([], [], marker=marker, color=colour, linestyle="", label=name)


def _assigned(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    return {name: values[place % len(values)] for place, name in enumerate(dict.fromkeys(names))}


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
