"""What surrounds the items of a response?"""

from collections.abc import Sequence
from dataclasses import dataclass

from nemotron_app.tally import Tally
from nemotron_app.wire.answer import Evidence, ForwardAnswer, UsageAnswer
from nemotron_app.wire.asked import Asked
from nemotron_app.wire.envelope import Maker
from nemotron_app.wire.evidence import metrics_of, recipe_of, usage_of
from nemotron_app.wire.responses.answer import (
    Item,
    ResponseAnswer,
    ResponseFailure,
    ResponseStatus,
    ResponseUsage,
)
from nemotron_app.wire.responses.body import ReasoningWish, ResponsesBody
from nemotron_app.wire.speculation import speculation_of
from nemotron_backend.replay import TRACE_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The parts of a response that are known before it is made."""

    body: ResponsesBody
    asked: Asked
    maker: Maker

    def begun(self, status: ResponseStatus, items: Sequence[Item]) -> ResponseAnswer:
        """The response while it is made."""
        body, sampling = self.body, self.asked.requests[0].sampling
        reasoning = body.reasoning or ReasoningWish()
        choice = body.tool_choice if isinstance(body.tool_choice, str) else "auto"
        return {
            "id": f"resp_{self.asked.id}",
            "object": "response",
            "created_at": self.asked.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": str(self.asked.variant),
            "output": list(items),
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
            "store": False,
            "temperature": sampling.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": choice,
            "tools": [tool.model_dump() | {"strict": False} for tool in body.tools or ()],
            "top_logprobs": body.top_logprobs or 0,
            "top_p": sampling.top_p,
            "truncation": "disabled",
            "usage": None,
        }

    def ended(
        self, items: Sequence[Item], tally: Tally, trace: list[ForwardAnswer], *, is_cut: bool
    ) -> ResponseAnswer:
        """The response with all that is known in the end."""
        answer = self.begun("incomplete" if is_cut else "completed", items)
        if is_cut:
            answer["incomplete_details"] = {"reason": "max_output_tokens"}
        steps = tally.verifications
        answer["usage"] = _usage(usage_of(tally.usages, 1, steps))
        answer["nvext"] = self._evidence(tally, trace)
        if speculation := speculation_of(steps):
            answer["metrics"] = speculation
        return answer

    def failed(self, items: Sequence[Item], failure: ResponseFailure) -> ResponseAnswer:
        """The response that came to nothing after it had begun."""
        answer = self.begun("failed", items)
        answer["error"] = failure
        return answer

    def _evidence(self, tally: Tally, trace: list[ForwardAnswer]) -> Evidence:
        evidence: Evidence = {
            "metrics": metrics_of(tally.usages),
            "recipe": recipe_of(self.asked, self.maker.versions),
        }
        if self.asked.show_trace:
            evidence["trace"], evidence["trace_version"] = trace, TRACE_VERSION
        if tally.notices:
            evidence["notice"] = " ".join(tally.notices)
        return evidence


def _usage(usage: UsageAnswer) -> ResponseUsage:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": usage["total_tokens"],
    }
