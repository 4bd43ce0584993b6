"""Which questions does the page offer to ask a model?"""

from functools import cache
from random import Random

from gradio.components.chatbot import ExampleMessage

from nemotron_app.ui import strings
from nemotron_app.ui.capabilities import Model
from nemotron_backend.recipes.tasks import TASKS

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
    ("units", 2),
)


def offered(model: Model) -> list[ExampleMessage]:
    """Questions as a chat widget takes them: what a model was taught, else what any may be asked."""
    texts = _suite() if model.id.startswith(_TAUGHT) else strings.EXAMPLES
    return [{"display_text": text, "text": text} for text in texts]


@cache
def _suite() -> tuple[str, ...]:
    rng = Random(_SEED)
    return tuple(TASKS[task].make(rng, level).question for task, level in _SHOWN)
