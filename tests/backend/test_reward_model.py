"""Are the scores of a reward checkpoint those that transformers computes?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    NemotronConfig,
    NemotronForCausalLM,
    NemotronForSequenceClassification,
)

from nemotron_backend.catalog import Catalog, recognise
from nemotron_backend.embedded.chat_template import ChatTemplate
from nemotron_backend.embedded.shelf import shelve
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.errors import UnsupportedConfig
from nemotron_backend.model.network import Batch, Network, Segment
from nemotron_backend.request import Conversation, Message
from nemotron_backend.rewards import ATTRIBUTES
from nemotron_backend.templates import built_in

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 48,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
}
IDS = [7, 3, 44, 12, 9, 30, 5]
FAMILIES: Mapping[str, tuple[Any, Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification),
    "nemotron": (NemotronConfig, NemotronForCausalLM, NemotronForSequenceClassification),
}


def _save(folder: Path, kind: Any, config: Any) -> Any:
    """A random checkpoint of bfloat16 values, and the same network as transformers computes it."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = kind(config)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    network.bfloat16().save_pretrained(folder)
    # Made anew, for bfloat16() has rounded the rotations as well.
    return kind.from_pretrained(folder, dtype=torch.float32).eval()


def _scores(network: Network, ids: list[int]) -> Tensor:
    segment = Segment(cache=network.make_cache(len(ids)), start=0, length=len(ids), position=0)
    return network.forward(
        Batch(
            token_ids=torch.tensor(ids),
            positions=torch.arange(len(ids)),
            segments=(segment,),
            logit_rows=torch.tensor([len(ids) - 1]),
        )
    )[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("num_labels", "names"), [(9, ATTRIBUTES), (5, ATTRIBUTES), (1, ("reward",))], ids=["nine", "five", "one"]
)
def test_a_head_of_scores_is_read_at_the_last_token(
    tmp_path: Path, family: str, num_labels: int, names: tuple[str, ...]
) -> None:
    config, _, kind = FAMILIES[family]
    theirs = _save(tmp_path, kind, config(**SHAPE, num_labels=num_labels))
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.attributes == names
    with torch.inference_mode():
        expected = theirs(torch.tensor([IDS])).logits[0, -len(names) :]
    ours = _scores(checkpoint.network("full", "bf16", "packed"), IDS)
    torch.testing.assert_close(ours, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_tied", [False, True], ids=["untied", "tied"])
def test_a_language_models_first_logit_is_the_reward(tmp_path: Path, family: str, is_tied: bool) -> None:
    config, kind, _ = FAMILIES[family]
    theirs = _save(tmp_path, kind, config(**{**SHAPE, "tie_word_embeddings": is_tied}))
    checkpoint = open_checkpoint(tmp_path, is_reward=True)
    assert checkpoint.attributes == ("reward",)
    with torch.inference_mode():
        expected = theirs(torch.tensor([IDS])).logits[0, -1, :1]
    ours = _scores(checkpoint.network("full", "bf16", "packed"), IDS)
    torch.testing.assert_close(ours, expected, rtol=2e-4, atol=2e-4)
    assert open_checkpoint(tmp_path).attributes == ()


def test_a_bias_is_added_where_the_head_has_one(tmp_path: Path) -> None:
    _save(tmp_path, NemotronForSequenceClassification, NemotronConfig(**SHAPE | {"num_labels": 9}))
    without = _scores(open_checkpoint(tmp_path).network("full", "bf16", "packed"), IDS)
    file = tmp_path / "model.safetensors"
    bias = torch.arange(9.0)
    save_file(load_file(file) | {"score.bias": bias}, file)
    ours = _scores(open_checkpoint(tmp_path).network("full", "bf16", "packed"), IDS)
    torch.testing.assert_close(ours, without + bias[-5:])


def test_outputs_of_unknown_meaning_are_refused(tmp_path: Path) -> None:
    _save(tmp_path, LlamaForSequenceClassification, LlamaConfig(**SHAPE | {"num_labels": 3}))
    with pytest.raises(UnsupportedConfig, match="3 outputs"):
        open_checkpoint(tmp_path)


def test_a_checkpoint_with_a_head_of_scores_is_no_chat_model(tmp_path: Path) -> None:
    folder = tmp_path / "of-my-own"
    _save(folder, NemotronForSequenceClassification, NemotronConfig(**SHAPE | {"num_labels": 9}))
    shelf = shelve([folder], Catalog.read())
    (options,) = shelf.models
    assert options.is_reward
    assert shelf.catalog.find(options.model).kind == "reward"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Llama-3.1-Nemotron-70B-Reward-HF", "llama-3.1-nemotron-70b-reward"),
        ("somewhere", "llama-3.1-nemotron-70b-instruct"),
    ],
)
def test_the_name_of_the_repository_tells_a_reward_model_from_its_twin(
    tmp_path: Path, name: str, model: str
) -> None:
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 128_256,
        "hidden_size": 8192,
        "intermediate_size": 28_672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 128,
    }
    (tmp_path / name).mkdir()
    (tmp_path / name / "config.json").write_text(json.dumps(config), "utf-8")
    found = recognise(tmp_path / name, Catalog.read())
    assert found is not None
    assert found.id == model


def test_nemotron_4s_scores_are_read_at_the_mark_behind_the_answer() -> None:
    conversation = Conversation(
        messages=(
            Message(role="user", content="What is the capital of France?"),
            Message(role="assistant", content="Paris."),
        ),
        is_finished=True,
    )
    written = ChatTemplate(built_in("steerlm-reward"), {}).render(conversation)
    assert written == (
        "<extra_id_0>System\n\n\n<extra_id_1>User\nWhat is the capital of France?\n"
        "<extra_id_1>Assistant\nParis.\n<extra_id_2>"
    )
