"""Which questions does the page offer to ask a model?"""

from functools import cache
from random import Random

from gradio.components.chatbot import ExampleMessage

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import Model
from nemotron_backend.recipes.tasks import TASKS, Example

_SEED = 7
# How the ids of models begin that were taught the suite.
_TAUGHT = ("elastic-", "tri-mode-")
# A task of the suite and how hard the question is.
_SHOWN = (
    ("arithmetic", 2),
    ("sorting", 2),
    ("problems", 2),
    ("extraction", 3),
    ("dates", 2),
    ("tools", 3),
)


def offered(model: Model) -> list[ExampleMessage]:
    """Questions as a chat widget takes them: what a model was taught, else what any may be asked."""
    texts = _suite() if model.id.startswith(_TAUGHT) else strings.EXAMPLES
    return [{"display_text": text, "text": text} for text in texts]


def system_of(model: Model, question: str) -> str | None:
    """The system prompt that a question of the suite was taught with; None for other questions."""
    example = _suite().get(question) if model.id.startswith(_TAUGHT) else None
    return example.system if example else None


@cache
def _suite() -> dict[str, Example]:
    rng = Random(_SEED)
    examples = (TASKS[task].make(rng, level) for task, level in _SHOWN)
    return {example.question: example for example in examples}
