"""Does a run ask for what the knobs say, and for nothing that has no meaning?"""

import pytest

from nemotron_app.ui.capabilities import Field, Model
from nemotron_app.ui.compare import lanes, settings, turned_to
from nemotron_app.ui.evidence import running
from nemotron_app.ui.examples import offered
from nemotron_app.ui.recipe import Filling, Recipe, Thinking

SAMPLING = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 64, "source": "card"}


def _recipe(**changes: object) -> Recipe:
    fields: dict[str, object] = {
        "model": "elastic-4m",
        "size": "4m",
        "precision": "bf16",
        "decode": "autoregressive",
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "max_tokens": 64,
        "seed": 7,
        "stop": (),
    }
    return Recipe(**{**fields, **changes})  # type: ignore[arg-type]


def _model(*variants: str) -> Model:
    head = {"id": variants[0].partition(":")[0], "name": "M", "sampling": SAMPLING, "variants": variants}
    knobs = [variant.split(":")[1:] for variant in variants]
    sizes = [{"name": name} for name in dict.fromkeys(size for size, _, _ in knobs if "+" not in size)]
    precisions = tuple(dict.fromkeys(precision for _, precision, _ in knobs))
    decodes = tuple(dict.fromkeys(decode for _, _, decode in knobs))
    reasoning = {"switch": "enable_thinking", "default": True}
    return Model.model_validate(
        {**head, "sizes": sizes, "precisions": precisions, "decodes": decodes, "reasoning": reasoning}
    )


ELASTIC = _model(
    "elastic-4m:4m:bf16:autoregressive",
    "elastic-4m:2m:bf16:autoregressive",
    "elastic-4m:2m:fp8:autoregressive",
    "elastic-4m:2m+4m:bf16:autoregressive",
    "elastic-4m:4m+2m:bf16:autoregressive",
)
TRI_MODE = _model(
    *(f"tri-mode-4m:full:bf16:{decode}" for decode in ("autoregressive", "diffusion", "self-speculation"))
)


def test_autoregressive_runs_ask_for_no_masks() -> None:
    assert _recipe().body([])["nvext"] == {"size": "4m", "precision": "bf16", "decode": "autoregressive"}


@pytest.mark.parametrize(
    ("filling", "decode", "asked"),
    [
        (Filling(), "diffusion", {"threshold": 0.9, "order": "confidence"}),
        (
            Filling(num_steps=4, order="leftmost", block_length=8),
            "diffusion",
            {"block_length": 8, "num_steps": 4, "order": "leftmost"},
        ),
        (
            Filling(drafting="quadratic", acceptance="rejection"),
            "self-speculation",
            {"drafting": "quadratic", "acceptance": "rejection"},
        ),
    ],
)
def test_a_mode_asks_for_its_own_settings_alone(
    filling: Filling, decode: str, asked: dict[str, object]
) -> None:
    nvext = _recipe(filling=filling, decode=decode).body([])["nvext"]
    assert {name: nvext[name] for name in nvext.keys() - {"size", "precision", "decode"}} == asked


def test_thoughts_are_asked_for_with_size_budget_and_handover() -> None:
    thinking = Thinking(is_on=True, size="2m", budget=32, handover="state")
    body = _recipe(thinking=thinking).body([])
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    asked = {"thinking_size": "2m", "handover": "state", "max_thinking_tokens": 32}
    assert body["nvext"].items() >= asked.items()
    assert "2m+4m" in running(body)


def test_thinking_that_is_off_asks_for_nothing_else() -> None:
    body = _recipe(thinking=Thinking(is_on=False, size="2m", budget=32)).body([])
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["nvext"].keys() == {"size", "precision", "decode"}


def test_watching_asks_for_every_forward_and_every_token() -> None:
    body = _recipe(is_watched=True).body([])
    assert body["logprobs"] is True
    assert body["nvext"]["trace"] is True
    assert body["nvext"]["canvas"] is True


def test_pairs_of_sizes_are_no_size_of_their_own() -> None:
    chosen: dict[Field, str] = {"size": "4m", "precision": "bf16", "decode": "autoregressive"}
    assert {knobs["size"] for knobs in ELASTIC.served()} == {"4m", "2m"}
    assert ELASTIC.thinking_sizes(chosen) == ("2m",)
    assert ELASTIC.thinking_sizes({**chosen, "precision": "fp8"}) == ()


def test_lanes_begin_with_what_a_model_has_most_of() -> None:
    modes = lanes(TRI_MODE, _recipe(model="tri-mode-4m", size="full"))
    assert [lane.decode for lane in modes] == ["autoregressive", "self-speculation"]
    sizes = lanes(ELASTIC, _recipe())
    assert [lane.size for lane in sizes] == ["4m", "2m"]


def test_a_lane_may_think_with_another_size() -> None:
    knobs: dict[Field, str] = {"size": "2m+4m", "precision": "bf16", "decode": "autoregressive"}
    paired = turned_to(_recipe(thinking=Thinking(is_on=False)), knobs)
    assert (paired.size, paired.thinking) == ("4m", Thinking(is_on=True, size="2m"))
    alone = turned_to(paired, {**knobs, "size": "2m"})
    assert (alone.size, alone.thinking) == ("2m", Thinking(is_on=True))


def test_the_settings_of_a_lane_read_as_a_line() -> None:
    assert settings(_recipe(decode="diffusion")) == (
        "temperature 0 · top p 1 · threshold 0.9 · order confidence"
    )


def test_models_are_offered_questions_that_they_were_taught() -> None:
    texts = [example["text"] for example in offered(ELASTIC)]
    assert any(text.startswith("Sort ") for text in texts)
    other = ELASTIC.model_copy(update={"id": "smollm2"})
    assert not {example["text"] for example in offered(other)} & set(texts)
