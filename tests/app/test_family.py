"""Does every model of the catalog answer through `/v1`, and with logits that something else computes too?

For each there is a tiny random checkpoint of its class. Run by itself, this prints the family's table.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from tiny_family import TINY, VOCABULARY, scores

from nemotron_backend.catalog import Catalog, Model
from nemotron_backend.embedded.engine import EmbeddedEngine
from nemotron_backend.embedded.options import EmbeddedOptions, ModelOptions
from nemotron_backend.model.architecture import open_checkpoint
from nemotron_backend.model.network import Batch, Network, Segment
from nemotron_backend.request import Decode
from nemotron_backend.rewards import ATTRIBUTES

CATALOG = Catalog.read()
# What this test has no checkpoint for says so in the table, and why.
WITHOUT = {
    "echo": "repeats what it is told",
    "nemotron_labs_diffusion_vlm": "pictures are not read here",
    "nemotron-3-ultra-550b-a55b-genrm": "how it words its judgements was not found",
}
MODELS = [model for model in CATALOG.models if not {model.model_type, model.id} & WITHOUT.keys()]
JUDGES = [model for model in MODELS if model.kind == "reward"]
QUESTION = {"role": "user", "content": "the fox"}
PROMPT = [3, 17, 250, 99, 1, 44, 44, 180, 7]


@dataclass
class Row:
    """What was seen of one model; differences are in standard deviations of the logits."""

    reference: str = ""
    difference: float = 0.0
    answered: list[str] = field(default_factory=list[str])


@dataclass
class Family:
    """A checkpoint each, and what was seen of it."""

    folders: dict[str, Path]
    rows: dict[str, Row]


@pytest.fixture(scope="module")
def family(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, request: pytest.FixtureRequest
) -> Iterator[Family]:
    """All checkpoints; in the end the table goes to the terminal."""
    root = tmp_path_factory.mktemp("family")
    with torch.random.fork_rng():
        folders = {model.id: _write(model, root / model.id, tiny_checkpoint) for model in MODELS}
    made = Family(folders, {model.id: Row() for model in MODELS})
    yield made
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    if all(row.reference and row.answered for row in made.rows.values()):
        with capture.global_and_fixture_disabled():
            print("", *_table(made.rows), sep="\n")


def _write(model: Model, folder: Path, tokenizer: Path) -> Path:
    """The checkpoint with a tokenizer; where this project has the template, or it needs none, it has none."""
    torch.manual_seed(0)
    TINY[model.model_type].write(model, folder)
    shutil.copy(tokenizer / "tokenizer.json", folder)
    config: dict[str, Any] = json.loads((tokenizer / "tokenizer_config.json").read_text("utf-8"))
    if model.fallback or model.kind == "completion":
        del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return folder


def _table(rows: dict[str, Row]) -> Iterator[str]:
    yield "| Model | Architecture | Engine | Compared with | Worst difference | Answered |"
    yield "|---|---|---|---|---|---|"
    for model in CATALOG.models:
        what = f"| {model.name} | `{model.model_type}` |"
        if model.id in rows:
            row = rows[model.id]
            yield f"{what} embedded | {row.reference} | {row.difference:.0e} | {', '.join(row.answered)} |"
        else:
            reason = WITHOUT.get(model.id) or WITHOUT[model.model_type]
            yield f"{what} – | – | – | {reason} |"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_logits_are_those_of_another_implementation(family: Family, model: Model) -> None:
    tiny, folder, row = TINY[model.model_type], family.folders[model.id], family.rows[model.id]
    checkpoint = open_checkpoint(folder, is_reward=model.kind == "reward")
    row.reference = tiny.reference
    assert checkpoint.sizes == tuple(size.name for size in model.sizes)
    for size in checkpoint.sizes:
        ours = _logits(checkpoint.network(size, "bf16", "packed"))
        theirs = scores(model, folder, PROMPT) if model in JUDGES else tiny.logits(folder, size, PROMPT)
        row.difference = max(row.difference, float((ours - theirs).abs().max() / theirs.std()))
    assert row.difference < 2e-4


def _logits(network: Network) -> torch.Tensor:
    """Of every token: most read at once, the last ones one by one."""
    cache, rows, position = network.make_cache(len(PROMPT)), [], 0
    for length in (len(PROMPT) - 2, 1, 1):
        segment = Segment(cache=cache, start=0, length=length, position=position)
        batch = Batch(
            token_ids=torch.tensor(PROMPT[position : position + length]),
            positions=torch.arange(position, position + length),
            segments=(segment,),
            logit_rows=torch.arange(length),
        )
        rows.append(network.forward(batch))
        position += length
    return torch.cat(rows)


@pytest.fixture
async def api(family: Family, serve: Any) -> httpx.AsyncClient:
    """A server with one engine, whose process has all checkpoints."""
    models = (
        ModelOptions(
            model=model.id,
            checkpoint=str(family.folders[model.id]),
            template=model.fallback,
            sizes=tuple(size.name for size in model.sizes),
            precisions=("bf16",),
            decodes=model.decodes,
            is_reward=model in JUDGES,
        )
        for model in MODELS
    )
    engine = EmbeddedEngine(EmbeddedOptions(models=tuple(models), num_threads=1, max_running=4))
    engine.start()
    while any(model.state == "starting" for model in engine.status().models):
        await engine.changed()
    client: httpx.AsyncClient = await serve(engine)
    return client


async def test_every_model_answers_in_its_way(api: httpx.AsyncClient, family: Family) -> None:
    for model in MODELS:
        ask = _scores if model in JUDGES else _answers
        family.rows[model.id].answered += await ask(api, model)


async def _answers(api: httpx.AsyncClient, model: Model) -> list[str]:
    """In each of its modes; which they are."""
    texts = {decode: await _answer(api, model, decode) for decode in model.decodes}
    # Greedy drafts change how fast an answer comes, and nothing in it.
    assert texts.get("self-speculation") in (None, texts["autoregressive"]), model.id
    return [*texts]


async def _scores(api: httpx.AsyncClient, model: Model) -> list[str]:
    """One judgement, whose names are those of the model's scores."""
    messages = [QUESTION, {"role": "assistant", "content": "jumps over the lazy dog"}]
    response = await api.post("/v1/chat/completions", json={"model": model.id, "messages": messages})
    assert response.status_code == 200, (model.id, response.text)
    (choice,) = response.json()["choices"]
    names = ATTRIBUTES if model.sizes[0].dimensions and model.sizes[0].dimensions.outputs else ("reward",)
    assert tuple(item["token"] for item in choice["logprobs"]["content"]) == names
    return ["scores"]


async def _answer(api: httpx.AsyncClient, model: Model, decode: Decode) -> str:
    """Eight tokens of the model's last size, by the endpoint of its kind."""
    is_chat = model.kind == "chat"
    body = {
        "model": f"{model.id}:{model.sizes[-1].name}:bf16:{decode}",
        "temperature": 0,
        "max_tokens": 8,
        "ignore_eos": True,
        **({"messages": [QUESTION]} if is_chat else {"prompt": "the fox"}),
    }
    response = await api.post("/v1/chat/completions" if is_chat else "/v1/completions", json=body)
    assert response.status_code == 200, (model.id, response.text)
    answer: dict[str, Any] = response.json()
    assert answer["usage"]["completion_tokens"] == 8, model.id
    (choice,) = answer["choices"]
    text: str = choice["message"]["content"] if is_chat else choice["text"]
    return text


def test_tiny_vocabularies_fit_the_tokenizer(family: Family) -> None:
    assert {open_checkpoint(folder).vocab_size for folder in family.folders.values()} == {VOCABULARY}
