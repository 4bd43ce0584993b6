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


@pytest.mark.parametrize("state", ["ready", "starting", "failed"])
def test_the_state_is_the_worst_of_the_parts_and_each_says_how_it_does(state: EngineState) -> None:
    status = RoutedEngine([EchoEngine(), OtherEngine(state)]).status()
    assert status.state == state
    assert status.name == "echo+other"
    assert status.progress == "echo: ready; other: on its way"


async def test_closing_closes_every_engine() -> None:
    others = [OtherEngine("ready"), OtherEngine("ready")]
    await RoutedEngine(others).aclose()
    assert all(other.is_closed for other in others)
