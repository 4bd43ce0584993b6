"""How well did the drafts do, in the shape that vLLM gives and that benchmark tools read?"""

from collections.abc import Sequence

from typing_extensions import TypedDict

from nemotron_app.tally import Verification


class SpeculativeDecoding(TypedDict):
    """Acceptance over all steps of a call; a step's length counts the token that comes with every verify."""

    acceptance_histogram: list[int]
    num_spec_steps: int
    mean_acceptance_length: float
    draft_acceptance_rate: float
    num_accepted_draft_tokens: int
    num_draft_tokens: int
    num_spec_tokens: int
    per_step_accepted: list[int]
    per_step_drafted: list[int]


class SpeculationMetrics(TypedDict):
    """The `metrics` object at the root of an answer."""

    speculative_decoding: SpeculativeDecoding


def speculation_of(steps: Sequence[Verification]) -> SpeculationMetrics | None:
    """Acceptance of a call; None where nothing was drafted."""
    if not steps:
        return None
    accepted = [step.num_accepted for step in steps]
    drafted = [step.num_drafted for step in steps]
    widest = max(drafted)
    return {
        "speculative_decoding": {
            "acceptance_histogram": [accepted.count(length) for length in range(widest + 1)],
            "num_spec_steps": len(steps),
            "mean_acceptance_length": round(1 + sum(accepted) / len(steps), 4),
            "draft_acceptance_rate": round(sum(accepted) / max(1, sum(drafted)), 4),
            "num_accepted_draft_tokens": sum(accepted),
            "num_draft_tokens": sum(drafted),
            "num_spec_tokens": widest,
            "per_step_accepted": accepted,
            "per_step_drafted": drafted,
        }
    }
