"""What does a handler give back?"""

from typing import Any

import gradio as gr
from gradio.components import Component

# The widgets that change, each with its new value or an update of its properties.
Changes = dict[Component, Any]


def nothing() -> Changes:
    """No widget changes; an empty dict would be taken for a handler that forgot its outputs."""
    changes: Changes = gr.skip()
    return changes
