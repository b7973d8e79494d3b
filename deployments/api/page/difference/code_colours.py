"""Code coloured by Pygments: spans with classes that the style sheet knows, no style of its own."""

# Pygments leaves the options of its functions untyped.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Beyond these a file is data rather than code, and colouring it takes long.
_MOST, _LONGEST_LINE = 60_000, 400


def coloured(path: str, lines: Sequence[str]) -> Iterator[Markup]:
    """Yield each line as HTML; escaped as it is where no language is known or it is too much."""
    plainly = (escape(line) for line in lines)
    if sum(map(len, lines)) > _MOST or any(len(line) > _LONGEST_LINE for line in lines):
        return plainly
    lexer = _lexer(path)
    if lexer is None:
        return plainly
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter

    html: str = highlight(
        "\n".join(lines) + "\n", lexer, HtmlFormatter(nowrap=True, classprefix="c-")
    )
    found = html.removesuffix("\n").split("\n")
    if len(found) != len(lines):
        return plainly
    return (Markup(line) for line in found)  # noqa: S704 - Pygments escaped it


def _lexer(path: str) -> Lexer | None:
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        return get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
