"""The caps of a run, raised or lowered while it is worked on; the build under way obeys them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.model.budget import check_cap
from autopack.model.errors import BadInput, Refused
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.store.reading import get_run


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The most that a run may spend; None leaves a cap as it is."""

    token_cap: int | None = None
    cost_cap: Decimal | None = None
    minutes_cap: float | None = None

    def given(self) -> dict[str, Any]:
        """Return the caps that are named. Raises BadInput for none, and one that limits nothing."""
        found = {name: cap for name, cap in vars(self).items() if cap is not None}
        for name, cap in found.items():
            check_cap(cap, name)
        if not found:
            raise BadInput(
                "no cap is named",
                field="token_cap",
                hint="name token_cap, cost_cap or minutes_cap",
            )
        return found


def set_caps(db: Database, run_id: str, caps: Caps) -> bool:
    """Give a run these caps; return whether that changed any.

    One that is below what is spent ends the build under way, and the run as its ``at_cap`` says.
    Raises NotFound, BadInput when no cap is named, Refused when the run has ended.
    """
    wanted = caps.given()

    def write(conn: sa.Connection) -> bool:
        table = tables.runs
        conn.execute(sa.select(table.c.run_id).where(table.c.run_id == run_id).with_for_update())
        run = get_run(conn, run_id)
        if run.state.is_final:
            raise Refused(
                f"run {run_id} has ended: {run.state}",
                field="run_id",
                hint=f"autopack retry {run_id} runs what it did not complete",
            )
        changed = {name: cap for name, cap in wanted.items() if cap != getattr(run, name)}
        if changed:
            conn.execute(sa.update(table).where(table.c.run_id == run_id).values(changed))
        return bool(changed)

    return db.transact(write)
