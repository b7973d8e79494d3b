"""Pages of listings that are read whole: so many rows, and the cursor of the last one."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TypeVar

from autopack.model.errors import BadInput
from autopack.model.pages import check_limit
from deployments.cli.shared.output import out

Row = TypeVar("Row")


def page_of(
    rows: Sequence[Row], name_of: Callable[[Row], str], limit: int, after: str | None
) -> tuple[list[Row], str | None]:
    """Return so many of the rows behind the one that the cursor names, and the next cursor.

    Raises BadInput naming ``limit`` or ``after``.
    """
    check_limit(limit)
    begin = 0
    if after is not None:
        names = [name_of(row) for row in rows]
        if after not in names:
            raise BadInput(
                f"invalid cursor: {after!r}",
                field="after",
                hint="use `next_cursor` of the page before",
            )
        begin = names.index(after) + 1
    page = list(rows[begin : begin + limit])
    has_more = begin + limit < len(rows)
    return page, name_of(page[-1]) if has_more else None


def say_more(cursor: str | None) -> None:
    """Say how to see the next page, where there is one."""
    if cursor is not None:
        out.print(f"more: --after {shlex.quote(cursor)}", soft_wrap=True)
