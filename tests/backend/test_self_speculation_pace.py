"""Is text that cannot be drafted hardly slower by self-speculation than from left to right?

Costs are those of the forwards that were run, by the tokens in each, so no clock is asked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from nemotron_backend.model.llama import Llama
from nemotron_backend.model.network import Batch
from nemotron_backend.request import Decoding, Drafting, Forward, Stopping, TokenState

NEVER_SAID = 4
MakeCore = Callable[..., Any]


class Undraftable:
    """A network whose masks always become a token that is never said."""

    def __init__(self, network: Llama) -> None:
        self._network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def forward(self, batch: Batch) -> Tensor:
        logits = self._network.forward(batch).clone()
        is_free = torch.zeros(len(batch.token_ids), dtype=torch.bool)
        for segment in batch.segments:
            is_free[segment.start : segment.start + segment.length] = not segment.is_causal
        drafts = is_free[batch.logit_rows]
        logits[drafts] = logits[drafts].index_fill(1, torch.tensor([NEVER_SAID]), 1e4)
        logits[~drafts] = logits[~drafts].index_fill(1, torch.tensor([NEVER_SAID]), -torch.inf)
        return logits


class Case:
    def __init__(self, network: Any) -> None:
        self.network = network


def count(forward: Forward, *states: TokenState) -> int:
    return sum(token.state in states for token in forward.tokens)


def num_rows(forward: Forward) -> int:
    """Tokens that went through the network: the known one, its draft, and masks behind each of them."""
    drafted = count(forward, "drafted")
    if forward.kind == "draft":
        return drafted + 1
    known = 1 + (count(forward, "accepted", "rejected") if forward.kind == "verify" else 0)
    return known * (1 + (drafted + 1 if drafted else 0))


def cost(trace: Sequence[Forward]) -> float:
    """Forwards over one token that the forwards after the prompt cost, by the curve of the benchmark."""
    return sum(1 + (num_rows(forward) - 1) / 24 for forward in trace if forward.kind != "prefill")


@pytest.mark.parametrize("drafting", ["linear", "quadratic"])
@pytest.mark.parametrize(("num_tokens", "bound"), [(64, 1.08), (128, 1.05), (300, 1.03)])
def test_undraftable_text_costs_a_few_forwards_in_a_hundred(
    tri_mode: Any, make_core: MakeCore, drafting: Drafting, num_tokens: int, bound: float
) -> None:
    core = make_core(Case(Undraftable(tri_mode.network)))
    stopping = Stopping(max_tokens=num_tokens, strings=(), token_ids=(), ignore_eos=True)
    decoding = Decoding(drafting=drafting)
    run = core.answer([7, 8, 9], "self-speculation", stopping=stopping, decoding=decoding)
    plain = core.answer([7, 8, 9], "autoregressive", stopping=stopping)
    assert run.ids == plain.ids
    assert sum(count(forward, "rejected") for forward in run.trace) > 3
    assert cost(plain.trace) == num_tokens - 1
    assert cost(run.trace) < bound * cost(plain.trace)
