"""How is code shown, so that it reads well and copies exactly?"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from nemotron_app.ui import strings
from nemotron_app.ui.markup import element
from nemotron_app.ui.snippets import SNIPPETS, as_json

_LEXERS = {"langchain": "python"}


def listing(code: str, language: str) -> str:
    """Code with a button that copies it; colours come from the theme, by class."""
    lexer = get_lexer_by_name(_LEXERS.get(language, language), stripnl=False, ensurenl=False)
    coloured = Markup(highlight(code, lexer, HtmlFormatter(nowrap=True)))
    button = element("button", strings.COPY, type="button", class_="np-copy", data_copied=strings.COPIED)
    block = element("pre", element("code", coloured), tabindex="0", aria_label=strings.LANGUAGES[language])
    return str(element("figure", button + block, class_="np-code", data_language=language))


def listings(body: Mapping[str, Any], origin: str) -> dict[str, str]:
    """A listing in every language for the run of `body`."""
    return {language: listing(write(body, origin), language) for language, write in SNIPPETS.items()}


def response_listing(response: Mapping[str, Any]) -> str:
    return listing(as_json(response), "json")
