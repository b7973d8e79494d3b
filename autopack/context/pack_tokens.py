"""How many tokens a text is taken for: a rule of our own, since real tokenizers need downloads."""

from __future__ import annotations

import re

TOKENIZER = "pieces-6"
"""Runs of at most six ASCII letters, of at most three digits, every line break, of two to
sixteen other blanks, and every other character that can be seen. For code it counts about as the
tokenizers of large models do; other scripts it rather overstates.
"""

_PIECE = re.compile(r"[A-Za-z]{1,6}|[0-9]{1,3}|\n|[^\S\n]{2,16}|[^\sA-Za-z0-9]")


def count_tokens(text: str) -> int:
    """Return the tokens of ``text`` by the rule called ``TOKENIZER``.

    Never more for two lines together than for each alone.
    """
    return len(_PIECE.findall(text))
