"""How was the answer made, at a glance?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nemotron_app.ui import strings
from nemotron_app.ui.answer import Answer
from nemotron_app.ui.capabilities import PAIR
from nemotron_app.ui.markup import element, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure of the strip; `meaning` explains it to whoever points at it."""

    label: str
    value: str
    meaning: str


def facts_of(answer: Answer, seed: int) -> tuple[Fact, ...]:
    """The figures that the server gave for an answer; what it did not give is left out."""
    return (
        *_timings(answer.metrics),
        *_tokens(answer.usage),
        *_phases(answer.metrics),
        *_forwards(answer.metrics),
        *_drafts(answer.speculation),
        *_recipe(answer, seed),
    )


def running(body: Mapping[str, Any]) -> str:
    """What stands in the strip's place until the answer has ended."""
    knobs = body["nvext"]
    thinking = f"{knobs['thinking_size']}{PAIR}" if "thinking_size" in knobs else ""
    variant = ":".join((body["model"], thinking + knobs["size"], knobs["precision"], knobs["decode"]))
    return element("p", strings.RUNNING.format(variant=variant), class_="np-running")


def strip(facts: tuple[Fact, ...]) -> str:
    """The figures as a description list."""
    pairs = (
        element(
            "div",
            element("dt", fact.label) + element("dd", fact.value),
            class_="np-fact",
            title=fact.meaning,
        )
        for fact in facts
    )
    return element("dl", join(pairs), class_="np-evidence", aria_label=strings.EVIDENCE_LABEL)


def thought(answer: Answer) -> str:
    """How long the thoughts took and who had them; empty while that is not known."""
    phases = [phase for phase in answer.metrics.get("phases") or () if phase["kind"] == "thinking"]
    if not phases:
        return ""
    tokens = num_tokens(sum(phase["tokens"] for phase in phases))
    title = strings.THOUGHT_FOR.format(tokens=tokens, time=duration(sum(phase["ms"] for phase in phases)))
    is_pair = len({phase["size"] for phase in answer.metrics["phases"]}) > 1
    return strings.THOUGHT_WITH.format(title=title, size=phases[0]["size"]) if is_pair else title


def num_tokens(number: int) -> str:
    return strings.ONE_TOKEN if number == 1 else strings.NUM_TOKENS.format(number=f"{number:,}")


def duration(milliseconds: float) -> str:
    """`12 ms`, `1.23 s`."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def _timings(metrics: Mapping[str, Any]) -> Iterator[Fact]:
    if "ttft_ms" in metrics:
        yield Fact(label=strings.TTFT, value=duration(metrics["ttft_ms"]), meaning=strings.TTFT_MEANING)
    if metrics.get("tokens_per_second"):
        value = f"{metrics['tokens_per_second']:,.1f}"
        yield Fact(label=strings.SPEED, value=value, meaning=strings.SPEED_MEANING)


def _tokens(usage: Mapping[str, Any]) -> Iterator[Fact]:
    if not usage:
        return
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    for label, value, meaning in (
        (strings.TOKENS_IN, usage["prompt_tokens"], strings.TOKENS_IN_MEANING),
        (strings.TOKENS_CACHED, cached, strings.TOKENS_CACHED_MEANING),
        (strings.TOKENS_OUT, usage["completion_tokens"], strings.TOKENS_OUT_MEANING),
    ):
        yield Fact(label=label, value=f"{value:,}", meaning=meaning)


def _phases(metrics: Mapping[str, Any]) -> Iterator[Fact]:
    phases = metrics.get("phases") or ()
    is_pair = len({phase["size"] for phase in phases}) > 1
    for phase in phases:
        name = strings.PHASES.get(phase["kind"], phase["kind"])
        label = strings.PHASE_WITH.format(phase=name, size=phase["size"]) if is_pair else name
        value = strings.PHASE_VALUE.format(tokens=num_tokens(phase["tokens"]), time=duration(phase["ms"]))
        yield Fact(label=label, value=value, meaning=strings.PHASE_MEANING)


def _forwards(metrics: Mapping[str, Any]) -> Iterator[Fact]:
    if "forwards" in metrics:
        yield Fact(label=strings.FORWARDS, value=f"{metrics['forwards']:,}", meaning=strings.FORWARDS_MEANING)
    if "tokens_per_forward" in metrics:
        value = f"{metrics['tokens_per_forward']:.2f}"
        yield Fact(label=strings.TPF, value=value, meaning=strings.TPF_MEANING)


def _drafts(speculation: Mapping[str, Any]) -> Iterator[Fact]:
    if drafted := speculation.get("num_draft_tokens"):
        share = speculation["num_accepted_draft_tokens"] / drafted
        value = strings.ACCEPTED_VALUE.format(share=share, drafted=f"{drafted:,}")
        yield Fact(label=strings.ACCEPTED, value=value, meaning=strings.ACCEPTED_MEANING)


def _recipe(answer: Answer, seed: int) -> Iterator[Fact]:
    if answer.variant:
        yield Fact(label=strings.VARIANT, value=answer.variant, meaning=strings.VARIANT_MEANING)
    yield Fact(label=strings.SEED, value=str(seed), meaning=strings.SEED_MEANING)
    if told := answer.nvext.get("notice"):
        yield Fact(label=strings.NOTICE, value=str(told), meaning=strings.NOTICE_MEANING)
    if answer.finish:
        value = strings.FINISHES.get(answer.finish, answer.finish)
        yield Fact(label=strings.FINISH, value=value, meaning=strings.FINISH_MEANING)
