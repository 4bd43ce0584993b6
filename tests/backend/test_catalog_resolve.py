"""Does a request's model id and knobs find the one variant they mean?"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotron_backend.catalog import Catalog, Knobs, Model, ModelNotServed, UnavailableKnob, UnknownModel
from nemotron_backend.request import DECODES, PRECISIONS, Variant

CATALOG = Catalog.read()
ELASTIC = "nemotron-labs-3-elastic-30b-a3b"
SIZES = ("30b", "23b", "12b", "23b+30b")
REPOSITORIES = [checkpoint.repository for checkpoint in CATALOG.find(ELASTIC).checkpoints]
SERVED = tuple(
    Variant(model=ELASTIC, size=size, precision=precision, decode=decode)
    for size, precision, decode in product(SIZES, PRECISIONS, DECODES)
)


def _resolve(model: str, served: Sequence[Variant] = SERVED, **knobs: str) -> Variant:
    return CATALOG.resolve(Knobs(model=model, **knobs), served)


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_every_name_of_a_model_finds_it(model: Model) -> None:
    for name in model.names:
        assert CATALOG.find(name) is model


def test_a_name_that_nobody_has_is_unknown() -> None:
    with pytest.raises(UnknownModel, match="'gpt-2'"):
        _resolve("gpt-2:12b")


def test_a_model_that_no_engine_serves_says_what_it_needs_and_where_it_is() -> None:
    with pytest.raises(ModelNotServed, match=r"682 GB.*Hugging Face"):
        _resolve("nvidia/nemotron-4-340b-instruct")


def test_open_knobs_take_the_first_that_is_served() -> None:
    preferred = Variant(model=ELASTIC, size="12b", precision="nvfp4", decode="diffusion")
    assert _resolve("nemotron-elastic", (preferred, *SERVED)) == preferred


def test_knobs_narrow_and_keep_the_order_of_preference() -> None:
    assert str(_resolve("nemotron-elastic", precision="fp8")) == f"{ELASTIC}:30b:fp8:autoregressive"


@pytest.mark.parametrize("suffixes", list(permutations(("12b", "nvfp4", "self-speculation"))))
def test_suffixes_come_in_any_order(suffixes: tuple[str, ...]) -> None:
    found = _resolve(":".join(("nemotron-elastic", *suffixes)))
    assert str(found) == f"{ELASTIC}:12b:nvfp4:self-speculation"


def test_a_pair_of_sizes_is_a_suffix() -> None:
    assert _resolve("nemotron-elastic:23b+30b").size == "23b+30b"


def test_a_suffix_and_a_field_that_agree_are_fine() -> None:
    assert _resolve("nemotron-elastic:fp8", precision="fp8").precision == "fp8"


def test_a_suffix_and_a_field_that_differ_are_refused() -> None:
    with pytest.raises(UnavailableKnob, match="asked for twice, as 'bf16' and as 'fp8'") as caught:
        _resolve("nemotron-elastic:fp8", precision="bf16")
    assert (caught.value.field, caught.value.value, caught.value.possible) == ("precision", "bf16", ("fp8",))


def test_two_suffixes_of_one_knob_are_refused() -> None:
    with pytest.raises(UnavailableKnob, match="size is asked for twice"):
        _resolve("nemotron-elastic:12b:23b")


@pytest.mark.parametrize("suffix", ["latest", "", "30b+", "7b", "12B"])
def test_a_suffix_that_means_nothing_is_refused_with_what_is_possible(suffix: str) -> None:
    with pytest.raises(UnavailableKnob) as caught:
        _resolve(f"nemotron-elastic:{suffix}")
    assert caught.value.field == "model"
    assert caught.value.value == suffix
    assert caught.value.possible == ("30b", "23b", "12b", *PRECISIONS, "autoregressive")


def test_a_value_that_is_not_served_is_refused_with_what_is() -> None:
    served = [variant for variant in SERVED if variant.precision != "nvfp4"]
    with pytest.raises(UnavailableKnob) as caught:
        _resolve("nemotron-elastic", served, precision="nvfp4")
    assert (caught.value.field, caught.value.possible) == ("precision", ("bf16", "fp8"))


def test_what_is_possible_regards_the_knobs_already_settled() -> None:
    served = [variant for variant in SERVED if variant.size != "12b" or variant.precision == "bf16"]
    with pytest.raises(UnavailableKnob, match=f"{ELASTIC}:12b has no precision 'fp8' here; possible: bf16"):
        _resolve("nemotron-elastic:fp8:12b", served)


def test_a_repository_stands_for_its_precision() -> None:
    assert _resolve("nvidia/NVIDIA-Nemotron-Labs-3-Elastic-30B-A3B-NVFP4:12b").precision == "nvfp4"


def test_a_field_outweighs_the_precision_of_a_repository() -> None:
    name = "nvidia/NVIDIA-Nemotron-Labs-3-Elastic-30B-A3B-NVFP4"
    assert _resolve(name, precision="fp8").precision == "fp8"
    assert _resolve(f"{name}:bf16").precision == "bf16"


def test_a_repository_whose_precision_is_not_served_is_refused() -> None:
    served = [variant for variant in SERVED if variant.precision == "bf16"]
    with pytest.raises(UnavailableKnob) as caught:
        _resolve("nvidia/NVIDIA-Nemotron-Labs-3-Elastic-30B-A3B-FP8", served)
    assert (caught.value.field, caught.value.value) == ("precision", "fp8")


@given(variant=st.sampled_from(SERVED), order=st.permutations((1, 2, 3)))
def test_a_printed_variant_finds_itself_in_any_order(variant: Variant, order: list[int]) -> None:
    model, *knobs = str(variant).split(":")
    assert _resolve(":".join((model, *(knobs[place - 1] for place in order)))) == variant


@given(
    name=st.sampled_from(CATALOG.find(ELASTIC).names),
    size=st.sampled_from((None, *SIZES, "7b")),
    precision=st.sampled_from((None, *PRECISIONS, "int4")),
    decode=st.sampled_from((None, *DECODES, "beam")),
    served=st.lists(st.sampled_from(SERVED), unique=True),
)
def test_the_answer_is_served_and_has_every_value_asked_for(
    name: str, size: str | None, precision: str | None, decode: str | None, served: list[Variant]
) -> None:
    asked = {"size": size, "precision": precision, "decode": decode}
    values = {field: value for field, value in asked.items() if value is not None}
    fitting = [v for v in served if all(getattr(v, field) == value for field, value in values.items())]
    match _outcome(name, served, values):
        case Variant() as found:
            assert found in fitting
        case UnavailableKnob() as refused:
            assert refused.value not in refused.possible
            assert not fitting or name in REPOSITORIES
        case ModelNotServed():
            assert not served


def _outcome(
    name: str, served: Sequence[Variant], values: dict[str, str]
) -> Variant | UnavailableKnob | ModelNotServed:
    try:
        return _resolve(name, served, **values)
    except (UnavailableKnob, ModelNotServed) as error:
        return error


@given(name=st.text(max_size=40))
def test_any_text_as_a_model_is_answered_or_refused_by_name(name: str) -> None:
    with suppress(UnknownModel, ModelNotServed, UnavailableKnob):
        assert _resolve(name) in SERVED
