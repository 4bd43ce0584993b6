"""How shall a model think, and for how long?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nemotron_app.errors import BadRequest
from nemotron_app.wire.chat import ChatBody, TemplateArguments
from nemotron_app.wire.fields import NvExt
from nemotron_app.wire.refuse import refuse_thinking
from nemotron_backend.catalog import Model, Reasoning
from nemotron_backend.request import Thinking, Variant

# What OpenAI calls an effort that a template's switch asks for.
_EFFORTS: Mapping[str, str] = {"low_effort": "low", "medium_effort": "medium"}
_NIM_BUDGET = "nvext.max_thinking_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflection:
    """Whether a model thinks, by which effort, which older thoughts it sees again, and its limits."""

    is_on: bool = False
    effort: str = ""
    keeps_thoughts: bool = False
    thinking: Thinking = field(default_factory=Thinking)


def reflection_of(body: ChatBody, model: Model, variant: Variant) -> Reflection:
    """The body's wishes, with the model's own habit where it has none. Raises BadRequest."""
    if model.reasoning is None:
        refuse_thinking(body, model)
        return Reflection()
    arguments = body.chat_template_kwargs or TemplateArguments()
    thinking = _thinking(body, variant)
    return Reflection(
        is_on=_is_on(body, model.reasoning) and thinking.budget != 0,
        effort=_effort(body, model, model.reasoning),
        keeps_thoughts=arguments.truncate_history_thinking is False,
        thinking=thinking,
    )


def habit_of(model: Model, arguments: TemplateArguments | None) -> Reflection:
    """How the model thinks where only its template's arguments are known."""
    if model.reasoning is None or arguments is None:
        return Reflection(is_on=model.reasoning is not None and model.reasoning.default)
    is_on = model.reasoning.default if arguments.enable_thinking is None else arguments.enable_thinking
    return Reflection(is_on=is_on, keeps_thoughts=arguments.truncate_history_thinking is False)


def _is_on(body: ChatBody, reasoning: Reasoning) -> bool:
    asked = body.chat_template_kwargs.enable_thinking if body.chat_template_kwargs else None
    if body.reasoning_effort is None:
        return reasoning.default if asked is None else asked
    by_effort = body.reasoning_effort != "none"
    if asked is not None and asked != by_effort:
        message = "reasoning_effort and chat_template_kwargs.enable_thinking contradict each other; send one"
        raise BadRequest(message, param="reasoning_effort")
    return by_effort


def _effort(body: ChatBody, model: Model, reasoning: Reasoning) -> str:
    """The template's switch that the effort stands for; full effort needs none."""
    own = _EFFORTS.get(reasoning.effort, "")
    if body.reasoning_effort in (None, "none", "high"):
        return ""
    if body.reasoning_effort == own:
        return reasoning.effort
    possible = ", ".join(filter(None, ("none", own, "high")))
    message = (
        f"reasoning_effort: {model.id} has no effort {body.reasoning_effort!r}; possible: {possible}. "
        "reasoning_budget sets a limit in tokens"
    )
    raise BadRequest(message, param="reasoning_effort", code="unsupported_field")


def _thinking(body: ChatBody, variant: Variant) -> Thinking:
    nvext = body.nvext or NvExt()
    budget, param = _budget(body)
    grace = nvext.thinking_grace
    if grace is None:
        # As NIM has it: a tenth, so that a line can end.
        grace = -(-budget // 10) if param == _NIM_BUDGET and budget > 0 else Thinking().grace
    if nvext.handover == "state" and "+" not in variant.size:
        message = (
            "nvext.handover has no meaning where one size both thinks and answers; see nvext.thinking_size"
        )
        raise BadRequest(message, param="nvext.handover", code="unsupported_field")
    return Thinking(budget=budget, grace=grace, handover=nvext.handover or "prefill")


def _budget(body: ChatBody) -> tuple[int, str]:
    """The limit, and the first of its names that was used."""
    arguments, nvext = body.chat_template_kwargs or TemplateArguments(), body.nvext or NvExt()
    values = {
        "reasoning_budget": body.reasoning_budget,
        "chat_template_kwargs.reasoning_budget": arguments.reasoning_budget,
        "thinking_token_budget": body.thinking_token_budget,
        _NIM_BUDGET: nvext.max_thinking_tokens,
    }
    given = {param: value for param, value in values.items() if value is not None}
    if len(set(given.values())) > 1:
        *_, param = given
        raise BadRequest(f"{' and '.join(given)} mean the same and differ; send one", param=param)
    return next(((value, param) for param, value in given.items()), (-1, ""))
