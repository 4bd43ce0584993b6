"""How do a body's block length and threshold reach the engine?"""

import json
from pathlib import Path
from typing import Any

import pytest

from nemotron_app.engines import catalog_for, embedded_options
from nemotron_app.errors import BadRequest
from nemotron_app.settings import Settings
from nemotron_app.tally import Tally
from nemotron_app.wire.chat import ChatBody
from nemotron_app.wire.decoding import decoding_of
from nemotron_app.wire.evidence import usage_of
from nemotron_app.wire.speculation import speculation_of
from nemotron_backend.request import (
    DECODES,
    Decode,
    Decoding,
    Delta,
    Forward,
    TokenState,
    TracedToken,
    Variant,
)


def read(decode: Decode, **nvext: Any) -> Decoding:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "nvext": nvext}
    variant = Variant(model="m", size="full", precision="bf16", decode=decode)
    return decoding_of(ChatBody.model_validate_json(json.dumps(body)), variant)


@pytest.mark.parametrize(("decode", "threshold"), [("diffusion", 0.9), ("self-speculation", 0.0)])
def test_what_is_left_out_is_advice_of_the_mode(decode: Decode, threshold: float) -> None:
    assert read(decode) == Decoding(block_length=0, threshold=threshold)


@pytest.mark.parametrize("decode", ["diffusion", "self-speculation"])
def test_what_is_asked_reaches_the_engine(decode: Decode) -> None:
    assert read(decode, block_length=16, threshold=0.5) == Decoding(block_length=16, threshold=0.5)
    assert read(decode, block_length=64, threshold=0) == Decoding(block_length=64, threshold=0.0)


@pytest.mark.parametrize("block_length", [0, 1, 7, 48, 4096])
def test_a_block_length_out_of_range_is_refused(block_length: int) -> None:
    with pytest.raises((BadRequest, ValueError), match="block_length"):
        read("diffusion", block_length=block_length)


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        read("diffusion", threshold=threshold)


@pytest.mark.parametrize("nvext", [{"block_length": 8}, {"threshold": 0.5}])
def test_left_to_right_takes_neither(nvext: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        read("autoregressive", **nvext)
    assert caught.value.param == f"nvext.{next(iter(nvext))}"


def test_accepted_and_rejected_tokens_are_counted_from_verifying_forwards() -> None:
    tally = Tally()
    states: list[TokenState] = ["accepted", "accepted", "rejected", "rejected", "rejected", "bonus"]
    tokens = tuple(TracedToken(position=place, id=7, state=state) for place, state in enumerate(states))
    draft = Forward(kind="draft", milliseconds=1.0, tokens=())
    tally.add(Delta(index=0, trace=(draft, Forward(kind="verify", milliseconds=1.0, tokens=tokens))))
    details = usage_of({}, 1, tally.verifications)["completion_tokens_details"]
    assert details["accepted_prediction_tokens"] == 2
    assert details["rejected_prediction_tokens"] == 3
    metrics = speculation_of(tally.verifications)
    assert metrics is not None
    assert metrics["speculative_decoding"]["mean_acceptance_length"] == 3


@pytest.mark.parametrize(
    ("config", "model", "decodes"),
    [
        (
            {"model_type": "nemotron_labs_diffusion", "hidden_size": 32},
            "a-folder-of-mine",
            DECODES,
        ),
        (
            {
                "model_type": "nemotron_labs_diffusion",
                "hidden_size": 4096,
                "vocab_size": 131072,
                "num_hidden_layers": 34,
                "intermediate_size": 14336,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "head_dim": 128,
            },
            "nemotron-labs-diffusion-8b",
            DECODES,
        ),
        ({"model_type": "llama"}, "a-folder-of-mine", ("autoregressive",)),
        ({"model_type": "unheard of"}, "a-folder-of-mine", ("autoregressive",)),
    ],
    ids=["small", "8B", "llama", "unknown"],
)
def test_a_folder_is_served_as_the_model_that_is_in_it(
    tmp_path: Path, config: dict[str, Any], model: str, decodes: tuple[Decode, ...]
) -> None:
    folder = tmp_path / "A folder of mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    settings = Settings(checkpoint=(folder,))
    (served,) = embedded_options(settings).models
    assert catalog_for(settings).find(model).model_type == config["model_type"]
    assert (served.model, served.decodes) == (model, decodes)
