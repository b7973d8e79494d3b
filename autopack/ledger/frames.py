"""Usage as pandas data frames for notebooks: typed columns, unknown is NA.

from autopack.ledger import frames
db = Database.open(Settings.from_environment().database_url)
frames.usage_frame(db, by="day").set_index("day")["total"].plot()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from autopack.ledger.consolidated import (
    By,
    UsageRow,
    consolidated_tokens,
    usage,
)
from autopack.model.pages import MAX_LIMIT
from autopack.store.database.engine import Database, reading
from autopack.store.tables import llm_usage_events
from autopack.store.tables.rollups import error_logs, phase6_metrics, token_efficiency_metrics

if TYPE_CHECKING:
    import pandas as pd

Source = Database | sa.Connection

_DTYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (sa.Boolean, "boolean"),
    (sa.Integer, "Int64"),
    (sa.Float, "Float64"),
    (sa.String, "string"),
)


def usage_frame(
    source: Source,
    *,
    by: By,
    since: date | None = None,
    until: date | None = None,
    include_simulated: bool = False,
) -> pd.DataFrame:
    """One row a model, role, category, day or run: ``events`` and tokens Int64, ``cost`` in US
    dollars Float64, NA where a price is unknown. Days are datetime64. Calls of recordings and
    simulations only with ``include_simulated``."""
    import pandas as pd

    rows: list[UsageRow] = []
    cursor: str | None = None
    with reading(source) as conn:
        while True:
            page = usage(
                conn,
                by=by,
                since=since,
                until=until,
                limit=MAX_LIMIT,
                after=cursor,
                include_simulated=include_simulated,
            )
            rows += page.rows
            cursor = page.next_cursor
            if cursor is None:
                break
    columns = list(UsageRow.__dataclass_fields__)
    frame = pd.DataFrame([asdict(row) for row in rows], columns=columns)
    money = ("cost", "cost_known")
    types = dict.fromkeys(columns, "Int64") | {"key": "string"} | dict.fromkeys(money, "Float64")
    for name in money:
        frame[name] = frame[name].map(float, na_action="ignore")
    frame = frame.astype(types).rename(columns={"key": by})
    if by == "day":
        frame["day"] = pd.to_datetime(frame["day"])
    return frame


def consolidated_frame(source: Source, run_ids: Sequence[str]) -> pd.DataFrame:
    """One row a run: what it spent, by category and by role, and what it claims, all Int64.

    The claimed figures keep their kind in their names and belong into no sum with the others.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    with reading(source) as conn:
        for run_id in run_ids:
            view = consolidated_tokens(conn, run_id)
            spent = view.spent
            claimed = asdict(view.claimed) if view.claimed else {}
            rows.append(
                {
                    "run_id": run_id,
                    "spent_total": spent.told,
                    "unknown_builds": spent.unknown_builds,
                    **{f"category_{name}": n for name, n in spent.by_category.items()},
                    **{f"role_{name}": n for name, n in spent.by_role.items()},
                    "artifact_tokens_avoided_modelled": None,
                    "doctor_tokens_avoided_counterfactual": None,
                    "ab_tokens_saved_measured": None,
                    "mitigations_saved_measured": None,
                    **claimed,
                }
            )
    frame = pd.DataFrame(rows)
    return frame.astype({name: "string" if name == "run_id" else "Int64" for name in frame})


def events_frame(source: Source, run_id: str) -> pd.DataFrame:
    """Return the calls of a run that are still in the ledger; ``created_at`` in UTC, ``cost``
    Float64.
    """
    return _table(source, llm_usage_events, run_id)


def phase6_frame(source: Source, run_id: str) -> pd.DataFrame:
    """Return the phase-6 metrics of a run, one row an attempt."""
    return _table(source, phase6_metrics, run_id)


def token_efficiency_frame(source: Source, run_id: str) -> pd.DataFrame:
    """Return the token efficiency of a run, one row an attempt.

    NA in the columns on artifacts, budget and context files: agents choose what they read.
    """
    return _table(source, token_efficiency_metrics, run_id)


def errors_frame(source: Source, run_id: str) -> pd.DataFrame:
    """Return the errors of a run, one row a failed attempt."""
    return _table(source, error_logs, run_id)


def _table(source: Source, table: sa.Table, run_id: str) -> pd.DataFrame:
    import pandas as pd

    query = sa.select(table).where(table.c.run_id == run_id).order_by(*table.primary_key)
    with reading(source) as conn:
        rows = [dict(row) for row in conn.execute(query).mappings()]
    frame = pd.DataFrame(rows, columns=[column.name for column in table.c])
    for column in table.c:
        if column.name == "cost":
            frame["cost"] = frame["cost"].map(float, na_action="ignore").astype("Float64")
        elif column.name == "created_at":
            frame["created_at"] = pd.to_datetime(frame["created_at"], utc=True)
        else:
            kind = next((name for one, name in _DTYPES if isinstance(column.type, one)), None)
            if kind is not None:
                frame = frame.astype({column.name: kind})
    return frame
