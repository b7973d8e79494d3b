"""The terminal: every string is shown as it is, without control characters, markup or links."""

from __future__ import annotations

import logging
from typing import Any

from rich.console import Console
from rich.text import Text

from autopack.views.escaping import plain


class Terminal(Console):
    """A console that takes no string for markup: what is to have a colour is ``styled``.

    Goals, paths and messages may hold brackets, which markup would swallow or fail on, and control
    sequences, which would do as they like with the reader's terminal.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as rich shows it, wherever it stands: alone, in a table, in a group."""
        shown: dict[str, Any] = {**options, "markup": False, "emoji": False}
        return super().render_str(plain(text), **shown)


class PlainFormatter(logging.Formatter):
    """Formats warnings of Autopack's as text, too: they name paths and tell what programs said."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return plain(super().format(record))


def styled(text: str, style: str) -> Text:
    """Return ``text`` in a style of rich's: ``red``, ``bold``."""
    return Text(plain(text), style=style)
