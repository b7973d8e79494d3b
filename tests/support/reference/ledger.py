"""The columns of the usage ledger, from their declarations."""

from __future__ import annotations

from autopack.store.usage_event import LEDGER_COLUMNS, LedgerColumn
from support.reference.declared import cell


def page() -> str:
    """The usage ledger."""
    rows = "\n".join(map(_row, LEDGER_COLUMNS))
    return (
        "# Usage ledger\n\n"
        "A row of `llm_usage_events` is one model call; a call is recorded once, and never changed."
        " What is summed is kept by triggers for each run and day, and survives `autopack db"
        " retain`. `autopack import` reads files with these columns, but for those that say"
        " otherwise.\n\n"
        "| column | type | summed | meaning |\n|---|---|---|---|\n" + rows
    )


def _row(column: LedgerColumn) -> str:
    meaning = column.meaning
    if column.words:
        meaning += f": {', '.join(f'`{word}`' for word in column.words)}"
    if not column.imported:
        meaning += "; not read from files"
    kind = type(column.type).__name__
    return f"| `{column.name}` | {kind} | {'yes' if column.summed else ''} | {cell(meaning)} |"
