"""An issue as `gh issue view` and `glab issue view` print it into a pipe, as Markdown."""

from __future__ import annotations

import re

_FIELD = re.compile(r"[a-z][a-z -]*:\t?.*")
_MOST_FIELDS = 30


def as_markdown(text: str) -> str:
    """Return the issue with its title as a heading; any other text as it is.

    Above a line of two dashes stand its fields, a tab after each name: labels and authors are
    nothing to do.
    """
    lines = text.splitlines()
    end = next((n for n, line in enumerate(lines[:_MOST_FIELDS]) if line == "--"), None)
    if end is None or not all(_FIELD.fullmatch(line) for line in lines[:end]):
        return text
    fields = dict(line.split("\t", 1) for line in lines[:end] if "\t" in line)
    title = fields.get("title:", "").strip()
    if not title:
        return text
    return "\n".join([f"# {title}", "", *lines[end + 1 :]]) + "\n"
