# pyright: basic, reportArgumentType=false
"""How are masks guessed in one pass over the vocabulary, and revealed without the host?

A row's vocabulary is split over programs of one tile each, so that 32 rows fill a GPU of 132 multiprocessors
and every load of a program is in flight at once. A second launch merges the parts of a row.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels.diffusion_sampler.canvas import Canvas, Guesses, Policy, Revealed
from nemotron_kernels.noise import STREAM_OF_CHOICE, Drawing
from nemotron_kernels.noise.kernel import exponential_tile

# 16 logits a thread of 8 warps: the noise of more at once would not stay in registers.
_PART, _WARPS = 4096, 8


def guess(
    logits: Tensor,
    mask_id: int,
    drawing: Drawing | None = None,
    is_wanted: Tensor | None = None,
    *,
    part: int = _PART,
    out: Guesses | None = None,
) -> Guesses:
    num_rows, size = logits.shape
    num_parts = triton.cdiv(size, part)
    out = out or Guesses(
        tokens=torch.empty(num_rows, dtype=torch.int64, device=logits.device),
        confidences=torch.empty(num_rows, device=logits.device),
    )
    if not num_rows:
        return out
    peaks = torch.empty(4, num_rows, num_parts, device=logits.device)
    ids = torch.empty(num_rows, num_parts, dtype=torch.int32, device=logits.device)
    # Without noise its pointers are never read; whatever tensor stands there has to have their types.
    noise = (logits, ids, ids) if drawing is None else _noise_of(drawing)
    wanted = ids if is_wanted is None else is_wanted.view(torch.uint8)
    _scan[(num_rows, num_parts)](
        logits, *noise, wanted, peaks, ids, size, num_parts, mask_id, *logits.stride(),
        STREAM=STREAM_OF_CHOICE, IS_DRAWN=drawing is not None, HAS_WANTED=is_wanted is not None,
        PART=part, num_warps=_WARPS,
    )  # fmt: skip
    _merge[(num_rows,)](
        wanted, peaks, ids, out.tokens, out.confidences, num_parts,
        HAS_WANTED=is_wanted is not None, PARTS=triton.next_power_of_2(num_parts), num_warps=1,
    )  # fmt: skip
    return out


def _noise_of(drawing: Drawing) -> tuple[Tensor, Tensor, Tensor]:
    return drawing.temperatures.contiguous(), drawing.seeds.contiguous(), drawing.counters.contiguous()


@triton.jit
def _scan(
    logits_ptr, temperature_ptr, seed_ptr, counter_ptr, is_wanted_ptr, peaks_ptr, id_ptr,
    size, num_parts, mask_id, stride_row, stride_id,
    STREAM: tl.constexpr, IS_DRAWN: tl.constexpr, HAS_WANTED: tl.constexpr, PART: tl.constexpr,
):  # fmt: skip
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    if HAS_WANTED:
        if tl.load(is_wanted_ptr + row) == 0:
            return
    ids = part * PART + tl.arange(0, PART)  # [PART]
    source = logits_ptr + row * stride_row + ids.to(tl.int64) * stride_id
    logits = tl.load(source, mask=ids < size, other=-float("inf")).to(tl.float32)
    # The sum of exp(logit - largest) is finite whatever the logits are, and all -inf gives 0.
    largest = tl.max(logits, axis=0)
    base = tl.where(largest == -float("inf"), 0.0, largest)
    total = tl.sum(tl.exp(logits - base), axis=0)
    scores = tl.where(ids == mask_id, -float("inf"), logits)
    if IS_DRAWN:
        temperature = tl.load(temperature_ptr + row)
        if temperature > 0:
            seed, counter = tl.load(seed_ptr + row), tl.load(counter_ptr + row)
            scores -= temperature * tl.log(exponential_tile(seed, counter, part * PART, STREAM, PART))
            # A wait may be infinite but never 0, so what has no part in the draw stays at -inf.
    best = tl.argmax(scores, axis=0)
    chosen = ids == part * PART + best
    place = row * num_parts + part
    plane = tl.num_programs(0).to(tl.int64) * num_parts
    tl.store(peaks_ptr + place, largest)
    tl.store(peaks_ptr + plane + place, total)
    tl.store(peaks_ptr + 2 * plane + place, tl.max(scores, axis=0))
    tl.store(peaks_ptr + 3 * plane + place, tl.sum(tl.where(chosen, logits, 0.0), axis=0))
    tl.store(id_ptr + place, part * PART + best)


@triton.jit
def _merge(
    is_wanted_ptr, peaks_ptr, id_ptr, token_ptr, confidence_ptr, num_parts,
    HAS_WANTED: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    if HAS_WANTED:
        if tl.load(is_wanted_ptr + row) == 0:
            tl.store(token_ptr + row, -1)
            tl.store(confidence_ptr + row, 0.0)
            return
    part = tl.arange(0, PARTS)  # [PARTS]
    place, exists = row * num_parts + part, part < num_parts
    plane = tl.num_programs(0).to(tl.int64) * num_parts
    base = tl.load(peaks_ptr + place, mask=exists, other=-float("inf"))
    total = tl.load(peaks_ptr + plane + place, mask=exists, other=0.0)
    score = tl.load(peaks_ptr + 2 * plane + place, mask=exists, other=-float("inf"))
    chosen = part == tl.argmax(score, axis=0)
    logit = tl.sum(tl.where(chosen, tl.load(peaks_ptr + 3 * plane + place, mask=exists, other=0.0), 0.0))
    token = tl.sum(tl.where(chosen, tl.load(id_ptr + place, mask=exists, other=0), 0))
    # p = exp(logit - base) / sum over parts of total * exp(their base - base)
    highest = tl.max(base, axis=0)
    highest = tl.where(highest == -float("inf"), 0.0, highest)
    whole = tl.sum(total * tl.exp(base - highest), axis=0)
    tl.store(token_ptr + row, token.to(tl.int64))
    tl.store(confidence_ptr + row, tl.exp(logit - highest) / whole)


def reveal(
    canvas: Canvas, guesses: Guesses, policy: Policy, ends: Tensor, *, out: Revealed | None = None
) -> Revealed:
    num_blocks, length = canvas.token_ids.shape
    device = canvas.token_ids.device
    out = out or Revealed(
        canvas=Canvas(
            token_ids=torch.empty(num_blocks, length, dtype=torch.int64, device=device),
            is_masked=torch.empty(num_blocks, length, dtype=torch.bool, device=device),
        ),
        num_final=torch.empty(num_blocks, dtype=torch.int64, device=device),
        is_finished=torch.empty(num_blocks, dtype=torch.bool, device=device),
    )
    if num_blocks:
        _reveal[(num_blocks,)](
            canvas.token_ids.contiguous(), canvas.is_masked.contiguous().view(torch.uint8),
            guesses.tokens.contiguous(), guesses.confidences.contiguous(),
            policy.thresholds.contiguous(), policy.steps_left.contiguous(),
            policy.is_leftmost.contiguous().view(torch.uint8), ends.contiguous(),
            out.canvas.token_ids, out.canvas.is_masked.view(torch.uint8),
            out.num_final, out.is_finished.view(torch.uint8), length, len(ends),
            LENGTH=triton.next_power_of_2(length), num_warps=1 if length <= 32 else 4,
        )  # fmt: skip
    return out


@triton.jit
def _reveal(
    token_ptr, is_masked_ptr, guess_ptr, confidence_ptr, threshold_ptr, steps_ptr, is_leftmost_ptr, end_ptr,
    new_token_ptr, new_is_masked_ptr, num_final_ptr, is_finished_ptr, length, num_ends,
    LENGTH: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, LENGTH)  # [LENGTH]
    row, exists = block * length + place, place < length
    is_masked = tl.load(is_masked_ptr + row, mask=exists, other=0) != 0
    confidence = tl.load(confidence_ptr + row, mask=exists, other=0.0)
    key = tl.where(tl.load(is_leftmost_ptr + block) != 0, -place.to(tl.float32), confidence)
    # rank[i] = how many masks j have key[j] > key[i], or an equal key further left
    is_before = (key[:, None] > key[None, :]) | (
        (key[:, None] == key[None, :]) & (place[:, None] < place[None, :])
    )
    rank = tl.sum((is_before & is_masked[:, None]).to(tl.int32), axis=0)
    num_masked = tl.sum(is_masked.to(tl.int32), axis=0)
    is_unsure = is_masked & (confidence.to(tl.float64) < tl.load(threshold_ptr + block))
    num_sure = tl.maximum(tl.min(tl.where(is_unsure, rank, num_masked), axis=0), 1)
    steps = tl.load(steps_ptr + block)
    share = (num_masked + tl.maximum(steps, 1) - 1) // tl.maximum(steps, 1)
    is_new = is_masked & (rank < tl.where(steps > 0, share, num_sure))
    token = tl.load(token_ptr + row, mask=exists, other=0)
    token = tl.where(is_new, tl.load(guess_ptr + row, mask=exists, other=0), token)
    is_left = is_masked & ~is_new
    num_final = tl.min(tl.where(is_left, place, length), axis=0)
    is_end = place < 0
    for index in range(num_ends):
        is_end |= token == tl.load(end_ptr + index)
    is_finished = tl.max((is_end & (place < num_final)).to(tl.int32), axis=0)
    tl.store(new_token_ptr + row, token, mask=exists)
    tl.store(new_is_masked_ptr + row, is_left.to(tl.uint8), mask=exists)
    tl.store(num_final_ptr + block, num_final.to(tl.int64))
    tl.store(is_finished_ptr + block, is_finished.to(tl.uint8))


_SCAN = {
    "logits_ptr": "*fp32", "temperature_ptr": "*fp32", "seed_ptr": "*i64", "counter_ptr": "*i64",
    "is_wanted_ptr": "*u8", "peaks_ptr": "*fp32", "id_ptr": "*i32", "size": "i32", "num_parts": "i32",
    "mask_id": "i32", "stride_row": "i64",
}  # fmt: skip
_MERGE = {
    "is_wanted_ptr": "*u8", "peaks_ptr": "*fp32", "id_ptr": "*i32", "token_ptr": "*i64",
    "confidence_ptr": "*fp32", "num_parts": "i32",
}  # fmt: skip
_REVEAL = {
    "token_ptr": "*i64", "is_masked_ptr": "*u8", "guess_ptr": "*i64", "confidence_ptr": "*fp32",
    "threshold_ptr": "*fp64", "steps_ptr": "*i32", "is_leftmost_ptr": "*u8", "end_ptr": "*i64",
    "new_token_ptr": "*i64", "new_is_masked_ptr": "*u8", "num_final_ptr": "*i64", "is_finished_ptr": "*u8",
    "length": "i32", "num_ends": "i32",
}  # fmt: skip

# Vocabulary 131072 in parts of 4096; blocks of 32.
BUILDS = (
    *(
        Build(
            f"guess_{name}_131072",
            _scan,
            signature=_SCAN,
            constants={
                "stride_id": 1,
                "STREAM": STREAM_OF_CHOICE,
                "IS_DRAWN": is_drawn,
                "HAS_WANTED": True,
                "PART": _PART,
            },
            num_warps=_WARPS,
            divisible=("size", "num_parts", "stride_row"),
        )
        for name, is_drawn in (("likeliest", False), ("drawn", True))
    ),
    Build(
        "guess_merge_131072",
        _merge,
        signature=_MERGE,
        constants={"HAS_WANTED": True, "PARTS": 32},
        num_warps=1,
        divisible=("num_parts",),
    ),
    Build(
        "reveal_32",
        _reveal,
        signature=_REVEAL,
        constants={"LENGTH": 32},
        num_warps=1,
        divisible=("length",),
    ),
)
