"""Are the knobs drawn as the capability matrix says?"""

from nemotron_app.ui.capabilities import Model, parse_models
from nemotron_app.ui.choices import Chosen, choices_of, settle

ELASTIC = Model.model_validate(
    {
        "id": "elastic",
        "name": "Elastic",
        "sizes": [{"name": "30b"}, {"name": "12b"}],
        "precisions": ["bf16", "fp8", "nvfp4"],
        "decodes": ["autoregressive"],
        "sampling": {"temperature": 0.6, "top_p": 0.9, "max_tokens": 64, "source": "card"},
        "variants": [
            "elastic:30b:bf16:autoregressive",
            "elastic:12b:bf16:autoregressive",
            "elastic:12b:fp8:autoregressive",
        ],
    }
)
DIFFUSION = ELASTIC.model_copy(
    update={
        "id": "diffusion",
        "name": "Diffusion",
        "decodes": ("autoregressive", "diffusion"),
        "variants": (),
    }
)


def test_what_is_not_wanted_follows_the_servers_preference() -> None:
    assert settle(ELASTIC, {}) == {"size": "30b", "precision": "bf16", "decode": "autoregressive"}


def test_the_size_stays_and_the_precision_gives_way() -> None:
    wanted: Chosen = {"size": "30b", "precision": "fp8", "decode": "autoregressive"}
    assert settle(ELASTIC, wanted) == {"size": "30b", "precision": "bf16", "decode": "autoregressive"}
    wanted = {"size": "12b", "precision": "fp8", "decode": "autoregressive"}
    assert settle(ELASTIC, wanted) == wanted


def test_each_refused_value_has_its_own_reason() -> None:
    chosen = settle(ELASTIC, {"size": "30b"})
    choices = choices_of((ELASTIC, DIFFUSION), ELASTIC, chosen)
    reasons = {choice.value: choice.reason for field in choices.values() for choice in field}
    assert reasons == {
        "30b": "",
        "12b": "",
        "bf16": "",
        "fp8": "not served with size 30b",
        "nvfp4": "published, but no engine here serves it",
        "autoregressive": "",
        "diffusion": "Elastic cannot decode this way",
    }


def test_a_model_that_is_not_served_offers_nothing() -> None:
    choices = choices_of((ELASTIC, DIFFUSION), DIFFUSION, settle(DIFFUSION, {}))
    assert not any(choice.is_offered for field in choices.values() for choice in field)


def test_served_models_come_first_and_unknown_fields_do_no_harm() -> None:
    data = [{**model.model_dump(), "new_field": {"a": 1}} for model in (DIFFUSION, ELASTIC)]
    assert [model.id for model in parse_models({"data": data})] == ["elastic", "diffusion"]
