"""How are conversations written for a checkpoint that has no template of its own?

A checkpoint's own template comes first, always. These follow what NVIDIA's cards and public code say of each
family; what could not be confirmed stands in the catalog's `unverified`.
"""

from collections.abc import Mapping
from importlib import resources

from nemotron_backend.catalog.entry import Fallback

_NEMOTRON3 = "recipes/chat_template.jinja"
_FILES: Mapping[Fallback, str] = {
    "nemotron3": _NEMOTRON3,
    "nemotron3-ultra": _NEMOTRON3,
    "steerlm": "templates/steerlm.jinja",
    "steerlm-reward": "templates/steerlm.jinja",
    "llama3": "templates/llama3.jinja",
}
# What the released models read besides, and where they differ.
_HINTS = "{%- set has_hints = true -%}"
_SETTINGS: Mapping[Fallback, str] = {
    "nemotron3": _HINTS,
    "nemotron3-ultra": f"{_HINTS}{{%- set behind_thoughts = '' -%}}",
    # Scores are read at the mark behind which labels stood when it was taught.
    "steerlm-reward": "{%- set end_of_answer = '<extra_id_2>' -%}",
}


def built_in(name: Fallback) -> str:
    """The template of this name."""
    file = resources.files("nemotron_backend") / _FILES[name]
    return _SETTINGS.get(name, "") + file.read_text("utf-8")
