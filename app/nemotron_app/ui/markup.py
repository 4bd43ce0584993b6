"""How does text become HTML without ever becoming markup by accident?

`Markup` is text that is HTML already; everything else is escaped on the way in.
"""

from collections.abc import Iterable

from markupsafe import Markup, escape

_VOID = frozenset({"br", "img", "input", "link", "meta"})


def element(name: str, content: str = "", /, **attributes: str | bool | None) -> Markup:
    """An element; `class_` and `aria_label` spell `class` and `aria-label`, False and None leave one out."""
    written = join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), "" if value is True else value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    opening = Markup("<{}{}>").format(Markup(name), written)
    return opening if name in _VOID else Markup("{}{}</{}>").format(opening, escape(content), Markup(name))


def join(parts: Iterable[str]) -> Markup:
    """Parts after one another."""
    return Markup("").join(parts)
