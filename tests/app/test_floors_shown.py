"""Are the limits of GPUs listed and shown as limits?"""

import httpx

from nemotron_app.ui.capabilities import Floor, Model, parse_models
from nemotron_app.ui.cards import gallery
from nemotron_app.ui.limits import limits

NANO = "nemotron-3-nano-30b-a3b"


async def test_a_model_lists_the_floors_of_its_forwards(api: httpx.AsyncClient) -> None:
    floors = (await api.get(f"/v1/models/{NANO}")).json()["floors"]
    assert {
        "size": "full",
        "precision": "nvfp4",
        "decode": "autoregressive",
        "card": "H100",
        "batch": 1,
        "milliseconds": 0.892,
        "tokens_per_second": 1121,
    } in floors
    assert {(floor["card"], floor["batch"]) for floor in floors} == {
        (card, batch) for card in ("H100", "B200") for batch in (1, 64)
    }


async def test_a_network_that_stays_in_the_caches_has_no_floor(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/models/smollm2-135m-instruct")).json()["floors"] == []


async def test_a_card_of_the_page_shows_the_limit_as_calculated(api: httpx.AsyncClient) -> None:
    models = {model.id: model for model in parse_models((await api.get("/v1/models")).json())}
    assert list(limits(models[NANO])) == [
        (
            "Limit on an H100",
            "bf16 455, fp8 776, nvfp4 1,121 tokens/s for one request; bf16 2,839, fp8 5,016, nvfp4 7,550 for "
            "64 together. Calculated from bytes and operations, not measured.",
        )
    ]
    [(_, text)] = limits(models["nemotron-labs-diffusion-8b"])
    assert text.startswith("bf16 182, bf16 diffusion 468, bf16 self-speculation 545 tokens/s for one request")
    assert text in gallery([models["nemotron-labs-diffusion-8b"]])


def test_a_model_without_floors_shows_none() -> None:
    sampling = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1, "source": ""}
    known = {"id": "m", "name": "M", "sizes": [], "precisions": [], "decodes": [], "sampling": sampling}
    assert list(limits(Model.model_validate(known))) == []
    other = Floor(
        size="full", precision="bf16", decode="diffusion", card="B200", batch=1, tokens_per_second=9
    )
    assert list(limits(Model.model_validate(known | {"floors": [other]}))) == []
