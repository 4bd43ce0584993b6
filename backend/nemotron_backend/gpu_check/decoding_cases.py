"""How are the ops behind the head checked: masks guessed, drafts verified?"""

from collections.abc import Iterator

import torch

from nemotron_backend.floors import Call, Load
from nemotron_backend.floors.dense import sampler_call
from nemotron_backend.gpu_check.case import Case, Results, Trial, each
from nemotron_backend.gpu_check.tensors import Tensors
from nemotron_kernels.diffusion_sampler import Drawing, guess
from nemotron_kernels.draft_verification import Draft, match, reject

_MASK = 100


def decoding_cases(vocabulary: int, block: int) -> Iterator[Case]:
    """One block of masks, guessed and drawn, and one draft of that length, matched and judged."""
    floor = sampler_call(vocabulary, Load(tokens=block))
    verification = Call(
        op="draft_verification", name=floor.name, activations=floor.activations, operations=floor.operations
    )
    lengths = Call(op="draft_verification", name=f"{block} tokens", activations=16 * block)
    makers = {
        f"likeliest, {floor.name}": (floor, lambda tensors: _guess(tensors, vocabulary, block, None)),
        f"drawn, {floor.name}": (floor, lambda tensors: _guess(tensors, vocabulary, block, 0.8)),
        f"match, {lengths.name}": (lengths, lambda tensors: _match(tensors, vocabulary, block)),
        f"reject, {floor.name}": (verification, lambda tensors: _reject(tensors, vocabulary, block)),
    }
    for title, (call, trial) in makers.items():
        yield Case(title=title, precision="fp32", floor=call, trials=each(trial))


def _drawing(tensors: Tensors, rows: int, temperature: float) -> Drawing:
    return Drawing(
        temperatures=torch.full((rows,), temperature, device=tensors.device),
        seeds=tensors.bits(rows, below=2**31, dtype=torch.int64),
        counters=torch.arange(rows, device=tensors.device),
    )


def _guess(tensors: Tensors, vocabulary: int, block: int, temperature: float | None) -> Trial:
    logits = tensors.normal(block, vocabulary, spread=3, dtype=torch.float32)
    drawing = None if temperature is None else _drawing(tensors, block, temperature)

    def run() -> Results:
        guesses = guess(logits, _MASK, drawing)
        return guesses.tokens, guesses.confidences

    return Trial(run=run, peers={"torch": lambda: logits.softmax(dim=-1).max(dim=-1)})


def _draft(tensors: Tensors, vocabulary: int, block: int) -> Draft:
    tokens = tensors.bits(1, block - 1, below=vocabulary, dtype=torch.int64)
    return Draft(tokens=tokens, lengths=tensors.integers(block - 1))


def _match(tensors: Tensors, vocabulary: int, block: int) -> Trial:
    draft = _draft(tensors, vocabulary, block)
    chosen = torch.cat((draft.tokens, draft.tokens[:, :1]), dim=1)
    chosen[0, block // 2] = 0

    def run() -> Results:
        verdict = match(chosen, draft)
        return verdict.num_accepted, verdict.bonus

    return Trial(run=run)


def _reject(tensors: Tensors, vocabulary: int, block: int) -> Trial:
    """Likely tokens are drafted, so that some stand."""
    logits = tensors.normal(1, block, vocabulary, spread=3, dtype=torch.float32)
    likeliest = logits[:, :-1].argmax(dim=-1)
    logits[:, : block // 2].scatter_(2, likeliest[:, : block // 2, None], 30.0)
    draft = Draft(tokens=likeliest, lengths=tensors.integers(block - 1), mask_id=_MASK)
    drawing = _drawing(tensors, 1, 0.8)

    def run() -> Results:
        verdict = reject(logits, draft, drawing)
        return verdict.num_accepted, verdict.bonus

    return Trial(run=run)
