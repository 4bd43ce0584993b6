"""What does the browser need of an answer to show how it was made, token by token?"""

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr
from openai.types.chat import ChatCompletionChunk

_EXTENSION = ("size", "trace", "canvas", "metrics")
_BEHAVIOUR = """
const show = () => customElements.whenDefined('np-watch').then(() => {
  element.querySelector('np-watch')?.tell(props.run);
});
watch('run', show);
show();
"""


def watch_view() -> gr.HTML:
    """An element of `static/answer/watch.js`."""
    return gr.HTML(
        html_template="<np-watch></np-watch>",
        js_on_load=_BEHAVIOUR,
        elem_id="np-watch",
        apply_default_css=False,
        run=None,
    )


def watched(chunks: Iterable[Mapping[str, Any]], *, is_over: bool = False) -> gr.HTML:
    """The update that shows the answer so far."""
    return gr.HTML(run={"chunks": list(chunks), "isOver": is_over})


def unwatched() -> gr.HTML:
    """The update that shows nothing."""
    return gr.HTML(run=None)


def is_to_be_shown(body: Mapping[str, Any]) -> bool:
    """Whether there is something to see: every forward, or which of two sizes made what."""
    return bool(body["nvext"].get("trace") or body["nvext"].get("thinking_size"))


def seen(chunk: ChatCompletionChunk) -> dict[str, Any]:
    """The parts of a chunk that are drawn."""
    told = chunk.model_dump(mode="json", exclude_unset=True)
    nvext = told.get("nvext") or {}
    return {
        "choices": told["choices"],
        "usage": told.get("usage"),
        "nvext": {name: nvext[name] for name in _EXTENSION if name in nvext},
    }
