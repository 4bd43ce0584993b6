"""Do several engines behind one face behave as one?"""

from dataclasses import replace

import pytest

from nemotron_backend.echo import ECHO, EchoEngine
from nemotron_backend.embedded.options import EmbeddedOptions
from nemotron_backend.engine import EngineState, EngineStatus, UnknownVariant
from nemotron_backend.factory import RoutedEngine, create_engine
from nemotron_backend.request import Text, Variant


class OtherEngine(EchoEngine):
    """An echo under another name, in any state."""

    variant = replace(ECHO, model="other")

    def __init__(self, state: EngineState) -> None:
        super().__init__()
        self._state: EngineState = state
        self.is_closed = False

    def variants(self) -> tuple[Variant, ...]:
        return (self.variant, ECHO)

    def status(self) -> EngineStatus:
        return replace(super().status(), name="other", state=self._state, progress="on its way")

    async def tokenize(self, model: str, prompt: object) -> tuple[int, ...]:
        return (len(model),)

    async def aclose(self) -> None:
        self.is_closed = True


async def test_one_name_gives_that_engine_itself() -> None:
    engine = await create_engine(("echo",), EmbeddedOptions())
    assert isinstance(engine, EchoEngine)


async def test_a_model_goes_to_the_first_engine_that_has_it() -> None:
    engine = RoutedEngine([EchoEngine(), OtherEngine("ready")])
    assert await engine.tokenize("echo", Text(text="ab")) == (97, 98)
    assert await engine.tokenize("other", Text(text="ab")) == (5,)
    with pytest.raises(UnknownVariant):
        await engine.tokenize("neither", Text(text="ab"))


def test_variants_are_named_once_in_the_order_of_the_engines() -> None:
    assert RoutedEngine([EchoEngine(), OtherEngine("ready")]).variants() == (
        *EchoEngine().variants(),
        OtherEngine.variant,
    )


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("ready", "ready", "ready"),
        ("ready", "starting", "starting"),
        ("failed", "starting", "starting"),
        ("ready", "failed", "ready"),
        ("failed", "failed", "failed"),
    ],
)
def test_one_that_answers_is_enough_once_none_is_on_its_way(
    first: EngineState, second: EngineState, together: EngineState
) -> None:
    assert RoutedEngine([OtherEngine(first), OtherEngine(second)]).status().state == together


def test_each_part_says_how_it_does_and_which_models_are_its_own() -> None:
    status = RoutedEngine([EchoEngine(), OtherEngine("failed")]).status()
    assert status.name == "echo+other"
    assert status.progress == "echo: ready; other: on its way"
    engines = {(model.model, model.engine, model.state) for model in status.models}
    assert engines >= {("echo", "echo", "ready"), ("other", "other", "failed")}
    assert [m.variants for m in status.models if m.engine == "other"] == [(OtherEngine.variant,), (ECHO,)]


async def test_closing_closes_every_engine() -> None:
    others = [OtherEngine("ready"), OtherEngine("ready")]
    await RoutedEngine(others).aclose()
    assert all(other.is_closed for other in others)
