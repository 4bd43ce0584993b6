"""Does the list of models tell what each can do, and which of them answer here?"""

from typing import Any

import httpx

from nemotron_backend.catalog import Catalog


async def test_every_model_of_the_catalog_is_listed_the_served_ones_first(api: httpx.AsyncClient) -> None:
    answer = (await api.get("/v1/models")).json()
    assert answer["object"] == "list"
    assert {model["id"] for model in answer["data"]} == {model.id for model in Catalog.read().models}
    assert answer["data"][0]["id"] == "echo"
    assert [model["id"] for model in answer["data"] if model["served"]] == [
        "echo",
        "echo-thinker",
        "echo-reward",
    ]


async def test_a_served_model_lists_its_variants_and_its_engine(api: httpx.AsyncClient) -> None:
    model = (await api.get("/v1/models/echo")).json()
    assert model["object"] == "model"
    assert model["served"] is True
    assert model["variants"] == ["echo:full:bf16:autoregressive"]
    assert model["engine"] == "echo"
    assert model["context"] == model["context_length"] == model["max_model_len"] == 4096


async def test_a_served_model_tells_what_it_lacks_and_why(api: httpx.AsyncClient) -> None:
    model = (await api.get("/v1/models/echo")).json()
    lacks = {(lack["knob"], lack["value"]): lack["reason"] for lack in model["lacks"]}
    assert lacks.keys() == {
        ("thinking_size", ""),
        ("precision", "fp8"),
        ("precision", "nvfp4"),
        ("decode", "diffusion"),
        ("decode", "self-speculation"),
        ("enable_thinking", ""),
        ("tools", ""),
    }
    assert "nothing to draft with" in lacks["decode", "self-speculation"]
    thinker = (await api.get("/v1/models/echo-thinker")).json()
    assert {lack["knob"] for lack in thinker["lacks"]} == {"thinking_size", "precision", "decode"}
    assert (model["state"], model["progress"]) == ("ready", "ready")


async def test_a_model_that_is_not_served_says_what_it_takes(api: httpx.AsyncClient) -> None:
    models = (await api.get("/v1/models")).json()["data"]
    missing = [model for model in models if not model["served"]]
    assert missing
    assert all(model["needs"] and model["obtain"] for model in missing)
    assert all(model["variants"] == [] and model["engine"] is None for model in missing)
    assert all(model["lacks"] == [] and model["state"] is None for model in missing)


async def test_a_model_is_found_by_alias_and_by_variant(api: httpx.AsyncClient) -> None:
    for name in ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m-instruct:full:fp8:autoregressive"):
        assert (await api.get(f"/v1/models/{name}")).json()["id"] == "smollm2-135m-instruct"


async def test_an_unknown_model_is_not_found(api: httpx.AsyncClient) -> None:
    response = await api.get("/v1/models/none/such")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


async def test_tokens_go_there_and_back(api: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"model": "echo", "prompt": "h\u00e9"}
    answer = (await api.post("/tokenize", json=body)).json()
    assert answer == {"tokens": [104, 233], "count": 2, "max_model_len": 4096}
    back = await api.post("/detokenize", json={"model": "echo", "tokens": answer["tokens"]})
    assert back.json() == {"prompt": "h\u00e9", "text": "h\u00e9"}


async def test_a_conversation_is_tokenised_as_the_model_reads_it(api: httpx.AsyncClient) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    assert (await api.post("/tokenize", json=body)).json()["tokens"] == [104, 105]


async def test_bad_token_requests_are_named(api: httpx.AsyncClient) -> None:
    both: dict[str, Any] = {"model": "echo", "prompt": "a", "messages": [{"role": "user", "content": "a"}]}
    for body in (both, {"model": "echo"}):
        assert (await api.post("/tokenize", json=body)).json()["error"]["param"] == "prompt"
    outside = await api.post("/detokenize", json={"model": "echo", "tokens": [2_000_000]})
    assert outside.status_code == 400
    missing = await api.post("/detokenize", json={"model": "smollm2-135m-instruct", "tokens": [1]})
    assert missing.status_code == 404
