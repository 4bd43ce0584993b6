"""What can a served model not do, and why?"""

from collections.abc import Iterator, Mapping, Sequence

from typing_extensions import TypedDict

from nemotron_backend.catalog import Model
from nemotron_backend.engine import Lack
from nemotron_backend.request import DECODES, PRECISIONS, Decode, Variant


class LackAnswer(TypedDict):
    """A value of a knob that the model does not have here, empty where it is the whole knob.

    A knob is `thinking_size`, `precision`, `decode`, `enable_thinking` or `tools`, or a field of requests
    that the server which answers for the model does not take.
    """

    knob: str
    value: str
    reason: str


_DECODES: Mapping[Decode, str] = {
    "autoregressive": "no engine here decodes it token by token",
    "diffusion": "it was not taught to fill in masked tokens",
    "self-speculation": "it has nothing to draft with: no masks, and no block that predicts further tokens",
}


def lacks_of(model: Model, variants: Sequence[Variant], engines: Sequence[Lack] = ()) -> list[LackAnswer]:
    """The gaps among the variants that are served, and the engine's own; none where no variant is."""
    fields: list[LackAnswer] = [{"knob": lack.field, "value": "", "reason": lack.reason} for lack in engines]
    return [*_knobs(variants), *_conversation(model), *fields] if variants else []


def _knobs(variants: Sequence[Variant]) -> Iterator[LackAnswer]:
    if not any("+" in variant.size for variant in variants):
        yield {"knob": "thinking_size", "value": "", "reason": _why_no_pairs(variants)}
    precisions = {variant.precision for variant in variants}
    for precision in (p for p in PRECISIONS if p not in precisions):
        stored = ", ".join(sorted(precisions))
        reason = f"its checkpoint is served in {stored}, from which no other precision is made"
        yield {"knob": "precision", "value": precision, "reason": reason}
    for decode in DECODES:
        able = dict.fromkeys(v.size for v in variants if v.decode == decode and "+" not in v.size)
        sizes = dict.fromkeys(v.size for v in variants if "+" not in v.size)
        if not able:
            yield {"knob": "decode", "value": decode, "reason": _DECODES[decode]}
        elif unable := [size for size in sizes if size not in able]:
            reason = f"only {', '.join(able)} can; {', '.join(unable)} cannot"
            yield {"knob": "decode", "value": decode, "reason": reason}


def _why_no_pairs(variants: Sequence[Variant]) -> str:
    is_alone = len({variant.size for variant in variants}) == 1
    return "it has one size" if is_alone else "none of its sizes thinks for another here"


def _conversation(model: Model) -> Iterator[LackAnswer]:
    if model.reasoning is None:
        yield {"knob": "enable_thinking", "value": "", "reason": "it does not think apart from its answer"}
    if not model.tools:
        yield {"knob": "tools", "value": "", "reason": "it was not taught to call functions"}
