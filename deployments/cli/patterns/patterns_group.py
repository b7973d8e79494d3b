"""`autopack patterns group`: which texts of a file are the same failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import Parameter

from autopack.mining.grouping import Grouped, group
from autopack.model.errors import BadInput
from autopack.store.columns import storable
from deployments.cli.patterns.patterns import read_file
from deployments.cli.shared.output import AsJson, out, plain_table, print_json

_SAMPLE = 1_000
_SHORT = 12


def group_(
    file: Annotated[
        Path,
        Parameter(
            help="Texts, one a line, or JSON lines with a field `text`; - for stdin.",
            allow_leading_hyphen=True,
        ),
    ],
    *,
    as_json: AsJson = False,
) -> int:
    """Group failure texts by what they say.

    They are the texts of a file, by signature and family; nothing is stored.
    """
    grouped = group(texts_of(read_file(file)))
    if as_json:
        print_json(_view(grouped))
        return 0
    table = plain_table(
        "count",
        "type",
        "signature",
        "family",
        "normalised",
        right=("count",),
        wraps=("normalised",),
    )
    for each in grouped.groups:
        table.add_row(
            f"{each.count:,}",
            each.type,
            each.signature[:_SHORT],
            each.family,
            storable(each.normalised),
        )
    if not grouped.groups:
        out.print("no texts")
        return 0
    out.print(table)
    families = len({each.family for each in grouped.groups})
    out.print(
        f"{len(grouped.signatures):,} texts, {len(grouped.groups):,} signatures,"
        f" {families:,} families"
    )
    return 0


def texts_of(content: str) -> Iterator[str]:
    """Yield the texts of a file: its lines, or a field of each where its first line is JSON.

    Lines that are empty hold no text. Raises BadInput naming the line.
    """
    lines = [(n, line) for n, line in enumerate(content.split("\n"), 1) if line.strip()]
    if not lines or not _is_object(lines[0][1]):
        yield from (line.rstrip("\r") for _, line in lines)
        return
    for number, line in lines:
        try:
            entry: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _wrong(number, "is not JSON, as the first line is") from error
        text = cast("dict[str, object]", entry).get("text") if isinstance(entry, dict) else None
        if not isinstance(text, str):
            raise _wrong(number, "has no field `text` that is a string")
        yield text


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _wrong(number: int, what: str) -> BadInput:
    return BadInput(
        f"line {number} {what}",
        field="file",
        hint='write one text a line, or one object such as {"text": "…"} a line',
    )


def _view(grouped: Grouped) -> dict[str, Any]:
    family = {each.signature: each.family for each in grouped.groups}
    return {
        "texts": [
            {"signature": signature, "family": family[signature]}
            for signature in grouped.signatures
        ],
        "signatures": [
            {
                "signature": each.signature,
                "family": each.family,
                "type": each.type,
                "count": each.count,
                "sample": storable(each.sample[:_SAMPLE]),
                "normalised": storable(each.normalised),
                "exception": each.exception,
            }
            for each in grouped.groups
        ],
    }
