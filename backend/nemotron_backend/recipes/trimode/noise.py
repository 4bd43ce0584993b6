"""What does the network see and answer in one step of joint training?

Each sequence is laid out as [noisy answer | clean prompt and answer]. The clean part is read causally and
answers with the next token. The noisy part is cut into blocks; a block sees itself in both directions and
the clean tokens before it, and answers at each mask with the token behind it (no shift), as decoding does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nemotron_backend.recipes.dialogue import Dialogue

BLOCKS = (4, 8, 16, 32)
_ALL_MASKED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One batch: ids, positions and mask for the network; for both losses the rows and their targets.

    Rows index the flattened [batch x tokens] hidden states. The first `num_noisy` tokens of a sequence are
    its noisy part, padding included.
    """

    num_noisy: int
    token_ids: Tensor
    positions: Tensor
    mask: Tensor
    next_rows: Tensor
    next_targets: Tensor
    masked_rows: Tensor
    masked_targets: Tensor


@dataclass(frozen=True, slots=True)
class _Sequence:
    """One dialogue with noise; `blocks` numbers the block of each answer token, `starts` its first place."""

    clean: Tensor
    num_prompt: int
    noisy: Tensor
    blocks: Tensor
    starts: Tensor


def lesson(
    dialogues: list[Dialogue], mask_id: int, generator: torch.Generator, lengths: Sequence[int] = BLOCKS
) -> Lesson:
    """Noise for every dialogue, in blocks of one of these lengths each, padded to one length."""
    sequences = [_noisy(dialogue, mask_id, generator, lengths) for dialogue in dialogues]
    num_noisy = max(len(sequence.noisy) for sequence in sequences)
    num_clean = max(len(sequence.clean) for sequence in sequences)
    rows = [_row(sequence, num_noisy, num_clean, mask_id) for sequence in sequences]
    ids, positions, masks, nexts, targets, hidden, answers = zip(*rows, strict=True)
    width = num_noisy + num_clean
    return Lesson(
        num_noisy=num_noisy,
        token_ids=torch.stack(ids),
        positions=torch.stack(positions),
        mask=torch.stack(masks)[:, None],
        next_rows=torch.cat([rows + index * width for index, rows in enumerate(nexts)]),
        next_targets=torch.cat(targets),
        masked_rows=torch.cat([rows + index * width for index, rows in enumerate(hidden)]),
        masked_targets=torch.cat(answers),
    )


def _noisy(dialogue: Dialogue, mask_id: int, generator: torch.Generator, lengths: Sequence[int]) -> _Sequence:
    answer = torch.tensor(dialogue.answer)
    num_prompt, places = len(dialogue.prompt), torch.arange(len(answer))
    length = lengths[int(torch.randint(len(lengths), (), generator=generator))]
    # Decoding may begin a block anywhere, so the first block here is of any length.
    shift = int(torch.randint(length, (), generator=generator))
    blocks = (places + shift) // length
    starts = (blocks * length - shift).clamp(min=0)
    rates = torch.rand(int(blocks[-1]) + 1, generator=generator)
    rates[torch.rand(len(rates), generator=generator) < _ALL_MASKED] = 1.0
    masked = torch.rand(len(answer), generator=generator) < rates[blocks]
    masked[places == starts] = False  # a block's first token is known when its drafting begins
    return _Sequence(
        torch.tensor([*dialogue.prompt, *dialogue.answer]),
        num_prompt,
        torch.where(masked, mask_id, answer),
        blocks,
        starts + num_prompt,
    )


def _row(sequence: _Sequence, num_noisy: int, num_clean: int, mask_id: int) -> tuple[Tensor, ...]:
    real, clean, num_prompt = len(sequence.noisy), len(sequence.clean), sequence.num_prompt
    ids = torch.zeros(num_noisy + num_clean, dtype=torch.long)
    ids[:real], ids[num_noisy : num_noisy + clean] = sequence.noisy, sequence.clean
    positions = torch.cat((torch.arange(num_noisy) + num_prompt, torch.arange(num_clean)))
    masked_rows = (sequence.noisy == mask_id).nonzero()[:, 0]
    answered = torch.arange(num_prompt, clean)
    return (
        ids,
        positions,
        _mask(sequence, num_noisy, num_clean),
        num_noisy + answered - 1,
        sequence.clean[answered],
        masked_rows,
        sequence.clean[masked_rows + num_prompt],
    )


def _mask(sequence: _Sequence, num_noisy: int, num_clean: int) -> Tensor:
    """Boolean [tokens, tokens], true where a row may look."""
    real = len(sequence.noisy)
    blocks = torch.full((num_noisy,), -1)
    starts = torch.zeros(num_noisy, dtype=torch.long)
    blocks[:real], starts[:real] = sequence.blocks, sequence.starts
    clean = torch.arange(num_clean)
    width = num_noisy + num_clean
    mask = torch.zeros(width, width, dtype=torch.bool)
    mask[:num_noisy, :num_noisy] = blocks[:, None] == blocks
    mask[:num_noisy, num_noisy:] = clean < starts[:, None]
    mask[num_noisy:, num_noisy:] = clean <= clean[:, None]
    return mask
