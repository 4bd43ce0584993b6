"""What is a handler given, and what does it give back?"""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

# The widgets that are read, each with what stands in it.
Values = Mapping[Component, Any]
# The widgets that change, each with its new value or an update of its properties.
Changes = dict[Block, Any]


def nothing() -> Changes:
    """No widget changes; an empty dict would be taken for a handler that forgot its outputs."""
    changes: Changes = gr.skip()
    return changes
