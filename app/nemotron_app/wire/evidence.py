"""How was an answer made, as the wire tells it?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from nemotron_app.tally import Verification
from nemotron_app.wire.answer import (
    CanvasAnswer,
    ForwardAnswer,
    Metrics,
    PhaseAnswer,
    Recipe,
    ThinkingAnswer,
    UsageAnswer,
)
from nemotron_app.wire.asked import Asked
from nemotron_backend.request import Canvas, Conversation, Delta, Phase, Thinking, Usage


def usage_of(
    usages: Mapping[int, Usage], num_choices: int, steps: Sequence[Verification] = ()
) -> UsageAnswer:
    """The cost of a call; a prompt counts once, however many choices it has. `steps` verified drafts."""
    prompts = [usage for index, usage in usages.items() if index % num_choices == 0]
    answer = running_usage(
        sum(usage.prompt_tokens for usage in prompts),
        sum(usage.completion_tokens for usage in usages.values()),
    )
    answer["prompt_tokens_details"]["cached_tokens"] = sum(usage.cached_tokens for usage in prompts)
    reasoning = sum(usage.reasoning_tokens for usage in usages.values())
    answer["completion_tokens_details"]["reasoning_tokens"] = reasoning
    if steps:
        accepted = sum(step.num_accepted for step in steps)
        drafted = sum(step.num_drafted for step in steps)
        answer["completion_tokens_details"]["accepted_prediction_tokens"] = accepted
        answer["completion_tokens_details"]["rejected_prediction_tokens"] = drafted - accepted
    return answer


def running_usage(num_prompt: int, num_completion: int) -> UsageAnswer:
    """The cost so far, before the engine has told the details."""
    return {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_completion,
        "total_tokens": num_prompt + num_completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def metrics_of(usages: Mapping[int, Usage]) -> Metrics:
    """How the call went over all of its choices; for one choice these are the engine's own figures."""
    all_usages = list(usages.values())
    first = min(usage.first_token_milliseconds for usage in all_usages)
    total = max(usage.total_milliseconds for usage in all_usages)
    completion = sum(usage.completion_tokens for usage in all_usages)
    after_first = max(0, completion - len(all_usages))
    metrics: Metrics = {
        "ttft_ms": round(first, 3),
        "tokens_per_second": round(1000 * after_first / (total - first), 3) if total > first else 0.0,
        "queue_ms": round(min(usage.queue_milliseconds for usage in all_usages), 3),
        "total_ms": round(total, 3),
    }
    if all(usage.knows_forwards for usage in all_usages):
        forwards = sum(usage.forwards for usage in all_usages)
        metrics["forwards"] = forwards
        metrics["tokens_per_forward"] = round(completion / (forwards + len(all_usages)), 4)
    if phases := [_phase(index, phase) for index, usage in usages.items() for phase in usage.phases]:
        metrics["phases"] = phases
    return metrics


def _phase(index: int, phase: Phase) -> PhaseAnswer:
    return {
        "index": index,
        "kind": phase.kind,
        "size": phase.size,
        "tokens": phase.num_tokens,
        "ttft_ms": round(phase.first_token_milliseconds, 3),
        "ms": round(phase.milliseconds, 3),
    }


def recipe_of(asked: Asked, versions: Mapping[str, str]) -> Recipe:
    """All that another run needs to give the same tokens."""
    request = asked.requests[0]
    sampling = asdict(request.sampling)
    seed = sampling.pop("seed")
    sampling["logit_bias"] = {str(token): bias for token, bias in request.sampling.logit_bias}
    recipe: Recipe = {
        "variant": str(request.variant),
        "seed": seed,
        "max_tokens": request.stopping.max_tokens,
        "sampling": sampling,
        "decoding": asdict(request.decoding),
        "versions": dict(versions),
    }
    if asked.has_switch and isinstance(request.prompt, Conversation):
        recipe["thinking"] = _thinking(request.prompt, request.thinking)
    return recipe


def _thinking(conversation: Conversation, thinking: Thinking) -> ThinkingAnswer:
    return {
        "enable_thinking": conversation.is_thinking,
        "truncate_history_thinking": not conversation.keeps_thoughts,
        "reasoning_budget": thinking.budget,
        "thinking_grace": thinking.grace,
        "handover": thinking.handover,
        "effort": conversation.effort,
    }


def trace_of(delta: Delta) -> list[ForwardAnswer]:
    """The forwards that a delta came from."""
    return [
        {
            "index": delta.index,
            "kind": forward.kind,
            "ms": round(forward.milliseconds, 3),
            "tokens": [
                {"position": token.position, "id": token.id, "state": token.state} for token in forward.tokens
            ],
        }
        for forward in delta.trace
    ]


def canvas_of(index: int, canvas: Canvas) -> CanvasAnswer:
    """What is being filled in; a token may end inside a character, which shows as the replacement sign."""
    return {
        "index": index,
        "position": canvas.position,
        "tokens": [
            {"text": token.bytes.decode("utf-8", errors="replace"), "state": token.state}
            for token in canvas.tokens
        ],
    }
