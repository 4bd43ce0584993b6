"""Which JSON value does the text of a tool's argument stand for?"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json


def json_of(text: str, schema: Any) -> str:
    """The text as JSON of the schema's type; a string where it is none, or where the schema says so."""
    types = _types(schema)
    if not types or ("string" in types and not (text == "null" and "null" in types)):
        return _string(text)
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return _spelled(text, types)
    return to_json(value).decode()


def _types(schema: Any) -> frozenset[str]:
    """Every type that a schema allows."""
    if not isinstance(schema, Mapping):
        return frozenset()
    own = schema.get("type", ())
    types = {own} if isinstance(own, str) else {name for name in own if isinstance(name, str)}
    for branches in (schema.get("anyOf"), schema.get("oneOf")):
        types.update(*(_types(branch) for branch in branches or ()))
    return frozenset(types)


def _spelled(text: str, types: frozenset[str]) -> str:
    """A word that Python spells otherwise than JSON, or the text itself."""
    words = {"True": "true", "False": "false", "None": "null"}
    return words[text] if text in words and types & {"boolean", "null"} else _string(text)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
