"""Do traces and canvases tell the answer, in every decode mode?"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nemotron_backend.replay import BrokenTrace, replay
from nemotron_backend.request import (
    Canvas,
    Decode,
    Decoding,
    Forward,
    ForwardKind,
    Sampling,
    Stopping,
    TokenState,
    TracedToken,
)

WARM = Sampling(
    temperature=0.8,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    logit_bias=(),
    seed=0,
)
MODES: dict[str, tuple[Decode, Decoding]] = {
    "autoregressive": ("autoregressive", Decoding()),
    "diffusion": ("diffusion", Decoding(block_length=8, threshold=0.5)),
    "diffusion by count": ("diffusion", Decoding(block_length=8, num_steps=3, order="leftmost")),
    "linear": ("self-speculation", Decoding(block_length=8)),
    "linear in steps": ("self-speculation", Decoding(block_length=8, threshold=0.5)),
    "quadratic": ("self-speculation", Decoding(block_length=4, drafting="quadratic")),
    "rejection": ("self-speculation", Decoding(block_length=8, acceptance="rejection")),
    "quadratic rejection": (
        "self-speculation",
        Decoding(block_length=4, drafting="quadratic", acceptance="rejection"),
    ),
}
MakeCore = Callable[..., Any]


def prompts(count: int) -> list[list[int]]:
    rng = random.Random(9)
    return [[rng.randrange(6, 24) for _ in range(rng.randint(1, 20))] for _ in range(count)]


def text_of(ids: tuple[int, ...]) -> str:
    return "".join(chr(97 + token_id % 26) for token_id in ids)


@pytest.mark.parametrize(("decode", "decoding"), MODES.values(), ids=MODES)
@pytest.mark.parametrize(
    "ends", [{}, {"ignore_eos": False}, {"strings": ("gh", "k")}], ids=["length", "end", "stop string"]
)
def test_replaying_a_trace_gives_the_text(
    mode_core: MakeCore, decode: Decode, decoding: Decoding, ends: dict[str, Any]
) -> None:
    fields: dict[str, Any] = {"max_tokens": 24, "strings": (), "token_ids": (), "ignore_eos": True} | ends
    core, stopping = mode_core(), Stopping(**fields)
    for number, prompt in enumerate(prompts(6)):
        run = core.answer(
            prompt, decode, decoding=decoding, sampling=replace(WARM, seed=number), stopping=stopping
        )
        ids = replay(run.trace, run.usage.completion_tokens)
        text = text_of(ids[:-1] if run.finish == "stop" and not stopping.strings else ids)
        cut = min((text.find(s) for s in stopping.strings if s in text), default=len(text))
        assert text[:cut] == run.text
        assert list(ids[: len(run.ids)]) == run.ids


@pytest.mark.parametrize(("decode", "decoding"), MODES.values(), ids=MODES)
def test_a_canvas_comes_with_every_forward_and_changes_nothing(
    mode_core: MakeCore, decode: Decode, decoding: Decoding
) -> None:
    core, prompt = mode_core(), prompts(1)[0]
    plain = core.answer(prompt, decode, decoding=decoding, sampling=WARM)
    assert plain.canvases == []
    watched = core.answer(prompt, decode, decoding=decoding, sampling=WARM, canvas=True)
    assert (watched.ids, [f.kind for f in watched.trace]) == (plain.ids, [f.kind for f in plain.trace])
    if decode == "autoregressive":
        assert watched.canvases == []
        return
    assert len(watched.canvases) > 5
    assert watched.canvases[-1][1].tokens == ()
    for num_emitted, canvas in watched.canvases:
        assert canvas.position == num_emitted
        _check_canvas(canvas, decode)


def _check_canvas(canvas: Canvas, decode: Decode) -> None:
    filled = "revealed" if decode == "diffusion" else "drafted"
    for token in canvas.tokens:
        assert (token.state, len(token.bytes)) in {("masked", 0), (filled, 1)}


def test_a_canvas_shows_what_the_trace_reveals_as_soon_as_it_does(mode_core: MakeCore) -> None:
    core = mode_core()
    run = core.answer(
        prompts(1)[0], "diffusion", decoding=Decoding(block_length=8, threshold=1.0), canvas=True
    )
    denoised = [forward for forward in run.trace if forward.kind == "denoise"]
    assert len(denoised) > 20
    shown: dict[int, bytes] = {}
    for _, canvas in run.canvases:
        for offset, token in enumerate(canvas.tokens):
            place = canvas.position + offset
            assert shown.get(place, token.bytes) == token.bytes
            if token.state == "revealed":
                shown[place] = token.bytes
    for place, content in shown.items():
        if place < len(run.text):
            assert content.decode() == run.text[place]


def test_drafts_are_seen_before_they_are_verified(mode_core: MakeCore) -> None:
    core = mode_core()
    core.submit(1, prompts(1)[0], "self-speculation", decoding=Decoding(block_length=8), canvas=True)
    before = []
    for _ in range(20):
        core.step()
        run = core.runs.get((1, 0))
        if run and run.canvases and run.trace[-1].kind == "draft":
            num_emitted, canvas = run.canvases[-1]
            before.append((num_emitted, len(run.ids), [token.state for token in canvas.tokens]))
    assert len(before) > 3
    assert all(emitted == now and set(states) == {"drafted"} for emitted, now, states in before)


def _forward(kind: ForwardKind, *tokens: tuple[int, int, TokenState]) -> Forward:
    return Forward(
        kind=kind,
        milliseconds=1.0,
        tokens=tuple(
            TracedToken(position=place, id=token_id, state=state) for place, token_id, state in tokens
        ),
    )


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        ([_forward("decode", (0, 7, "accepted")), _forward("decode", (0, 8, "accepted"))], "filled twice"),
        ([_forward("decode", (1, 7, "accepted"))], "place 0 of 2 is never filled"),
        ([_forward("verify", (0, 7, "accepted"))], "was not drafted"),
        ([_forward("draft", (0, 7, "drafted")), _forward("verify", (0, 8, "rejected"))], "was not drafted"),
    ],
)
def test_a_trace_that_contradicts_itself_is_not_replayed(trace: list[Forward], reason: str) -> None:
    with pytest.raises(BrokenTrace, match=reason):
        replay(trace, 2)


def test_what_was_filled_in_behind_the_end_is_left_out() -> None:
    trace = [
        _forward("prefill", (0, 7, "accepted")),
        _forward("draft", (1, 8, "drafted"), (2, 9, "drafted")),
        _forward("verify", (1, 8, "accepted"), (2, 9, "rejected"), (2, 6, "bonus")),
    ]
    assert replay(trace, 2) == (7, 8)
