"""Are the gaps of a model told by what its variants show?"""

from itertools import product

from nemotron_app.wire.lacks import lacks_of
from nemotron_backend.catalog import Catalog
from nemotron_backend.request import DECODES, PRECISIONS, Variant

ELASTIC = Catalog.read().find("nemotron-labs-3-elastic-30b-a3b")


def test_a_size_that_cannot_draft_is_named() -> None:
    variants = [
        Variant(model=ELASTIC.id, size=size, precision=precision, decode=decode)
        for size, precision, decode in product(("30b", "12b", "12b+30b"), PRECISIONS, DECODES[:1])
    ]
    drafting = [
        Variant(model=ELASTIC.id, size="30b", precision=precision, decode="self-speculation")
        for precision in PRECISIONS
    ]
    lacks = {(lack["knob"], lack["value"]): lack["reason"] for lack in lacks_of(ELASTIC, variants + drafting)}
    assert lacks["decode", "self-speculation"] == "only 30b can; 12b cannot"
    assert ("thinking_size", "") not in lacks
    assert ("enable_thinking", "") not in lacks


def test_a_quantised_checkpoint_lacks_the_other_precisions() -> None:
    variants = [Variant(model=ELASTIC.id, size="30b", precision="nvfp4", decode="autoregressive")]
    reasons = {lack["value"]: lack["reason"] for lack in lacks_of(ELASTIC, variants)}
    assert {"bf16", "fp8"} <= reasons.keys()
    assert "served in nvfp4" in reasons["fp8"]


def test_a_model_that_is_not_served_has_no_gaps_to_tell() -> None:
    assert lacks_of(ELASTIC, []) == []
