# pyright: basic, reportArgumentType=false
"""How is a batch of drafts judged without probabilities in memory and without the host?

`reject` reads the logits of every place once for their softmax's denominators. The second launch judges,
which takes one gathered logit a place, so every program repeats it rather than wait for another launch, and
reads one row more: the one that the bonus token comes from. The third merges the parts of that row.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from nemotron_kernels._build import Build
from nemotron_kernels.draft_verification.draft import Draft, Verdict
from nemotron_kernels.draft_verification.reference import LEAST_TEMPERATURE
from nemotron_kernels.noise import STREAM_OF_JUDGEMENT, STREAM_OF_SECOND_CHOICE, Drawing
from nemotron_kernels.noise.kernel import exponential_tile, uniform_of, words_of

_PART, _WARPS = 4096, 8


def match(chosen: Tensor, draft: Draft, *, out: Verdict | None = None) -> Verdict:
    batch, most = draft.tokens.shape
    out = out or _empty(batch, chosen.device)
    if batch:
        _match[(batch,)](
            chosen, draft.tokens, draft.lengths.contiguous(), out.num_accepted, out.bonus,
            *chosen.stride(), *draft.tokens.stride(),
            MOST=triton.next_power_of_2(max(most, 1)), num_warps=1,
        )  # fmt: skip
    return out


@triton.jit
def _match(
    chosen_ptr, drafted_ptr, length_ptr, num_accepted_ptr, bonus_ptr,
    stride_chosen, stride_choice, stride_draft, stride_drafted, MOST: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    place, length = tl.arange(0, MOST), tl.load(length_ptr + row)
    is_drafted = place < length
    chosen = tl.load(chosen_ptr + row * stride_chosen + place * stride_choice, mask=is_drafted, other=0)
    drafted = tl.load(drafted_ptr + row * stride_draft + place * stride_drafted, mask=is_drafted, other=0)
    num_accepted = tl.min(tl.where(is_drafted & (chosen != drafted), place, length), axis=0)
    tl.store(num_accepted_ptr + row, num_accepted.to(tl.int64))
    tl.store(bonus_ptr + row, tl.load(chosen_ptr + row * stride_chosen + num_accepted * stride_choice))


def reject(
    logits: Tensor, draft: Draft, drawing: Drawing, *, part: int = _PART, out: Verdict | None = None
) -> Verdict:
    batch, num_rows, size = logits.shape
    num_parts, device = triton.cdiv(size, part), logits.device
    out = out or _empty(batch, device)
    if not batch:
        return out
    drafts = logits if draft.logits is None else draft.logits
    has_chances = draft.logits is not None
    # Of wanted and drafted logits the largest of a part, and the sum of exp((logit - largest) / T).
    peaks = torch.empty(2, 2, batch, num_rows, num_parts, device=device)
    scores = torch.empty(batch, num_parts, device=device)
    ids = torch.empty(batch, num_parts, dtype=torch.int32, device=device)
    tokens, lengths = draft.tokens.contiguous(), draft.lengths.contiguous()
    temperatures = drawing.temperatures.contiguous()
    strides = (*logits.stride(), *drafts.stride())
    _measure[(batch * num_rows, num_parts, 1 + has_chances)](
        logits, drafts, lengths, temperatures, peaks, size, num_rows, num_parts, draft.mask_id, *strides,
        LEAST_TEMPERATURE=LEAST_TEMPERATURE, PART=part, num_warps=_WARPS,
    )  # fmt: skip
    _draw[(batch, num_parts)](
        logits, drafts, tokens, lengths, temperatures, drawing.seeds.contiguous(),
        drawing.counters.contiguous(), peaks, scores, ids, out.num_accepted,
        size, num_rows, num_parts, draft.mask_id, *strides,
        LEAST_TEMPERATURE=LEAST_TEMPERATURE, HAS_CHANCES=has_chances,
        JUDGEMENT=STREAM_OF_JUDGEMENT, SECOND_CHOICE=STREAM_OF_SECOND_CHOICE,
        ROWS=triton.next_power_of_2(num_rows), PARTS=triton.next_power_of_2(num_parts), PART=part,
        num_warps=_WARPS,
    )  # fmt: skip
    _settle[(batch,)](
        tokens, lengths, scores, ids, out.num_accepted, out.bonus, num_rows, num_parts,
        PARTS=triton.next_power_of_2(num_parts), num_warps=1,
    )  # fmt: skip
    return out


def _empty(batch: int, device: torch.device) -> Verdict:
    return Verdict(
        num_accepted=torch.empty(batch, dtype=torch.int64, device=device),
        bonus=torch.empty(batch, dtype=torch.int64, device=device),
    )


@triton.jit
def _row(logits_ptr, ids, size, stride_id):
    source = logits_ptr + ids.to(tl.int64) * stride_id
    return tl.load(source, mask=ids < size, other=-float("inf")).to(tl.float32)


@triton.jit
def _measure(
    logits_ptr, drafts_ptr, length_ptr, temperature_ptr, peaks_ptr, size, num_rows, num_parts, mask_id,
    stride_batch, stride_row, stride_id, stride_draft, stride_draft_row, stride_draft_id,
    LEAST_TEMPERATURE: tl.constexpr, PART: tl.constexpr,
):  # fmt: skip
    row, part, kind = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    sequence, place = row // num_rows, row % num_rows
    # Behind the last drafted token one row of logits follows, and none that it was drafted from.
    if place + kind > tl.load(length_ptr + sequence):
        return
    ids = part * PART + tl.arange(0, PART)  # [PART]
    if kind == 0:
        logits = _row(logits_ptr + sequence * stride_batch + place * stride_row, ids, size, stride_id)
    else:
        source = drafts_ptr + sequence * stride_draft + place * stride_draft_row
        logits = _row(source, ids, size, stride_draft_id)
        logits = tl.where(ids == mask_id, -float("inf"), logits)
    temperature = tl.maximum(tl.load(temperature_ptr + sequence), LEAST_TEMPERATURE)
    largest = tl.max(logits, axis=0)
    base = tl.where(largest == -float("inf"), 0.0, largest)
    plane = tl.num_programs(0).to(tl.int64) * num_parts
    peak_ptr = peaks_ptr + 2 * kind * plane + row * num_parts + part
    tl.store(peak_ptr, largest)
    tl.store(peak_ptr + plane, tl.sum(tl.exp((logits - base) / temperature), axis=0))


@triton.jit
def _softmax(peaks_ptr, plane, peak, is_measured, temperature):
    """Base and denominator of the softmax of each row, from its parts [ROWS, PARTS]."""
    largest = tl.load(peaks_ptr + peak, mask=is_measured, other=-float("inf"))
    total = tl.load(peaks_ptr + plane + peak, mask=is_measured, other=0.0)
    base = tl.max(largest, axis=1)
    base = tl.where(base == -float("inf"), 0.0, base)
    whole = tl.sum(total * tl.exp((largest - base[:, None]) / temperature), axis=1)
    return base, tl.where(whole == 0.0, 1.0, whole)


@triton.jit
def _draw(
    logits_ptr, drafts_ptr, drafted_ptr, length_ptr, temperature_ptr, seed_ptr, counter_ptr,
    peaks_ptr, score_ptr, id_ptr, num_accepted_ptr, size, num_rows, num_parts, mask_id,
    stride_batch, stride_row, stride_id, stride_draft, stride_draft_row, stride_draft_id,
    LEAST_TEMPERATURE: tl.constexpr, HAS_CHANCES: tl.constexpr,
    JUDGEMENT: tl.constexpr, SECOND_CHOICE: tl.constexpr,
    ROWS: tl.constexpr, PARTS: tl.constexpr, PART: tl.constexpr,
):  # fmt: skip
    sequence, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    length, seed = tl.load(length_ptr + sequence), tl.load(seed_ptr + sequence)
    counter = tl.load(counter_ptr + sequence)
    temperature = tl.maximum(tl.load(temperature_ptr + sequence), LEAST_TEMPERATURE)
    logits_ptr += sequence * stride_batch
    drafts_ptr += sequence * stride_draft

    # a drafted token stands where u * q < p, with p = exp((logit - base) / T) / sum
    place, parts = tl.arange(0, ROWS), tl.arange(0, PARTS)
    is_drafted, has_part = place < length, parts[None, :] < num_parts
    plane = tl.num_programs(0).to(tl.int64) * num_rows * num_parts
    peak = (sequence * num_rows + place[:, None]) * num_parts + parts[None, :]
    drafted = tl.load(drafted_ptr + sequence * (num_rows - 1) + place, mask=is_drafted, other=0)
    base, total = _softmax(peaks_ptr, plane, peak, (place <= length)[:, None] & has_part, temperature)
    own = tl.load(logits_ptr + place * stride_row + drafted * stride_id, mask=is_drafted, other=0.0)
    p = tl.exp((own.to(tl.float32) - base) / temperature) / total
    q = tl.full((ROWS,), 1.0, tl.float32)
    if HAS_CHANCES:
        base_q, total_q = _softmax(
            peaks_ptr + 2 * plane, plane, peak, is_drafted[:, None] & has_part, temperature
        )
        source = drafts_ptr + place * stride_draft_row + drafted * stride_draft_id
        logit = tl.load(source, mask=is_drafted, other=0.0).to(tl.float32)
        q = tl.where(drafted == mask_id, 0.0, tl.exp((logit - base_q) / temperature) / total_q)
    word, _, _, _ = words_of(seed, counter + place, place * 0, JUDGEMENT)
    stands = uniform_of(word) * q < p
    num_accepted = tl.min(tl.where(is_drafted & ~stands, place, length), axis=0)
    if part == 0:
        tl.store(num_accepted_ptr + sequence, num_accepted.to(tl.int64))

    # the bonus is the largest weight / wait, with weight max(p - q, 0), or p where all stand
    ids, is_last = part * PART + tl.arange(0, PART), place == num_accepted
    logits = _row(logits_ptr + num_accepted.to(tl.int64) * stride_row, ids, size, stride_id)
    base_of_row, total_of_row = tl.sum(tl.where(is_last, base, 0.0)), tl.sum(tl.where(is_last, total, 0.0))
    weight = tl.exp((logits - base_of_row) / temperature) / total_of_row
    if num_accepted < length:
        if HAS_CHANCES:
            row_ptr = drafts_ptr + num_accepted.to(tl.int64) * stride_draft_row
            drafted_logits = _row(row_ptr, ids, size, stride_draft_id)
            base_of_draft = tl.sum(tl.where(is_last, base_q, 0.0))
            total_of_draft = tl.sum(tl.where(is_last, total_q, 0.0))
            chance = tl.exp((drafted_logits - base_of_draft) / temperature) / total_of_draft
            weight -= tl.where(ids == mask_id, 0.0, chance)
        weight = tl.where(ids == tl.sum(tl.where(is_last, drafted, 0)), 0.0, weight)
    # What has no weight must lose to what has, however short its wait.
    wait = exponential_tile(seed, counter + num_accepted, part * PART, SECOND_CHOICE, PART)
    scores = tl.where(weight > 0, weight / wait, -1.0)
    tl.store(score_ptr + sequence * num_parts + part, tl.max(scores, axis=0))
    tl.store(id_ptr + sequence * num_parts + part, part * PART + tl.argmax(scores, axis=0))


@triton.jit
def _settle(
    drafted_ptr, length_ptr, score_ptr, id_ptr, num_accepted_ptr, bonus_ptr, num_rows, num_parts,
    PARTS: tl.constexpr,
):  # fmt: skip
    sequence, part = tl.program_id(0).to(tl.int64), tl.arange(0, PARTS)
    place, exists = sequence * num_parts + part, part < num_parts
    score = tl.load(score_ptr + place, mask=exists, other=-2.0)
    is_best = part == tl.argmax(score, axis=0)
    bonus = tl.sum(tl.where(is_best, tl.load(id_ptr + place, mask=exists, other=0), 0)).to(tl.int64)
    num_accepted = tl.load(num_accepted_ptr + sequence)
    # Nothing is left over only where rounding alone has refused the token.
    is_refused = num_accepted < tl.load(length_ptr + sequence)
    refused = tl.load(drafted_ptr + sequence * (num_rows - 1) + num_accepted, mask=is_refused, other=0)
    is_empty = is_refused & (tl.max(score, axis=0) < 0)
    tl.store(bonus_ptr + sequence, tl.where(is_empty, refused, bonus))


_LOGITS = {
    "logits_ptr": "*fp32", "drafts_ptr": "*fp32", "length_ptr": "*i32", "temperature_ptr": "*fp32",
    "peaks_ptr": "*fp32", "size": "i32", "num_rows": "i32", "num_parts": "i32", "mask_id": "i32",
    "stride_batch": "i64", "stride_row": "i64", "stride_draft": "i64", "stride_draft_row": "i64",
}  # fmt: skip
_CHOICE = {
    "drafted_ptr": "*i64", "seed_ptr": "*i64", "counter_ptr": "*i64", "score_ptr": "*fp32",
    "id_ptr": "*i32", "num_accepted_ptr": "*i64", "bonus_ptr": "*i64",
}  # fmt: skip
_UNIT = {"stride_id": 1, "stride_draft_id": 1, "LEAST_TEMPERATURE": LEAST_TEMPERATURE, "PART": _PART}
_EVEN = ("size", "num_rows", "num_parts", "stride_batch", "stride_row", "stride_draft", "stride_draft_row")

# Vocabulary 131072 in parts of 4096; 31 drafted tokens and the one behind them.
BUILDS = (
    Build(
        "match_31",
        _match,
        signature={
            "chosen_ptr": "*i64",
            "drafted_ptr": "*i64",
            "length_ptr": "*i32",
            "num_accepted_ptr": "*i64",
            "bonus_ptr": "*i64",
            "stride_chosen": "i32",
            "stride_draft": "i32",
        },
        constants={"stride_choice": 1, "stride_drafted": 1, "MOST": 32},
        num_warps=1,
    ),
    Build(
        "reject_measure_131072",
        _measure,
        signature=_LOGITS,
        constants=_UNIT,
        num_warps=_WARPS,
        divisible=_EVEN,
    ),
    *(
        Build(
            f"reject_draw_{name}_131072",
            _draw,
            signature=_LOGITS | {name: kind for name, kind in _CHOICE.items() if name != "bonus_ptr"},
            constants=_UNIT
            | {
                "HAS_CHANCES": has_chances,
                "JUDGEMENT": STREAM_OF_JUDGEMENT,
                "SECOND_CHOICE": STREAM_OF_SECOND_CHOICE,
                "ROWS": 32,
                "PARTS": 32,
            },
            num_warps=_WARPS,
            divisible=_EVEN,
        )
        for name, has_chances in (("certain", False), ("drawn", True))
    ),
    Build(
        "reject_settle_131072",
        _settle,
        signature={name: kind for name, kind in (_LOGITS | _CHOICE).items() if name in _settle.arg_names},
        constants={"PARTS": 32},
        num_warps=1,
        divisible=("num_rows", "num_parts"),
    ),
)
