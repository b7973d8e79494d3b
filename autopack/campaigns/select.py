"""Which finished runs a campaign replays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from autopack.ledger.period import parse_period
from autopack.model.errors import BadInput, NotFound, Refused
from autopack.model.pages import MAX_LIMIT
from autopack.store.database.engine import reading
from autopack.store.reading import Source, get_run, states_named
from autopack.store.rows import RunRow
from autopack.store.tables import runs
from autopack.store.tables.experiments import ab_pairs


@dataclass(frozen=True, kw_only=True)
class Selection:
    """``state`` is a final run state, or FAILED for any failed one; it is ignored for ``run_ids``.

    Runs finished from ``since`` on and before ``until``, in ``campaign`` where one is named.
    Replays, and the runs of experiments, are chosen only by naming them, their campaign or their
    experiment: that an arm failed is a finding of its experiment.
    """

    state: str = "FAILED"
    since: datetime | None = None
    until: datetime | None = None
    run_ids: tuple[str, ...] = ()
    campaign: str | None = None

    @classmethod
    def parse(
        cls,
        *,
        state: str,
        since: str | None,
        until: str | None,
        run_ids: Sequence[str],
        campaign: str | None,
        now: datetime,
    ) -> Selection:
        """Read what a user typed: dates are days in UTC, and both ends are included.

        Raises BadInput naming the field.
        """
        period = parse_period(since, until, now)
        if any(not found.is_final for found in states_named(state)):
            raise BadInput(
                f"runs that are {state} have not finished",
                field="state",
                hint="use FAILED or a state that begins with DONE_",
            )
        return cls(
            state=state,
            since=period.since,
            until=period.before,
            run_ids=tuple(run_ids),
            campaign=campaign,
        )


def select_runs(source: Source, selection: Selection) -> list[RunRow]:
    """The runs, in the order they finished, or in that of ``run_ids``.

    Raises NotFound and Refused naming a run that does not exist or has not finished, NotFound
    when none matches, BadInput when more than 10,000 do.
    """
    if selection.run_ids:
        found = [get_run(source, run_id) for run_id in dict.fromkeys(selection.run_ids)]
        for run in found:
            if not run.state.is_final:
                raise Refused(
                    f"run {run.run_id} has not finished: {run.state.value}", field="run_id"
                )
        return found
    query = (
        sa.select(runs)
        .where(runs.c.state.in_(states_named(selection.state)))
        .order_by(runs.c.finished_at, runs.c.run_id)
        .limit(MAX_LIMIT + 1)
    )
    if selection.since is not None:
        query = query.where(runs.c.finished_at >= selection.since)
    if selection.until is not None:
        query = query.where(runs.c.finished_at < selection.until)
    if selection.campaign is not None:
        arms = _arms(ab_pairs.c.test_id == selection.campaign)
        query = query.where(
            sa.or_(runs.c.campaign_id == selection.campaign, runs.c.run_id.in_(arms))
        )
    else:
        query = query.where(runs.c.lane.is_(None), runs.c.run_id.not_in(_arms(sa.true())))
    with reading(source) as conn:
        found = [RunRow.of(row) for row in conn.execute(query).mappings()]
    if not found:
        raise NotFound(
            "no finished run matches",
            field="state",
            hint="look with `autopack runs --state FAILED`, or choose another time",
        )
    if len(found) > MAX_LIMIT:
        raise BadInput(
            f"more than {MAX_LIMIT:,} runs match", field="since", hint="choose a shorter time"
        )
    return found


def _arms(which: sa.ColumnElement[bool]) -> sa.CompoundSelect[tuple[str]]:
    """The ids of the runs that belong to pairs of experiments."""
    return sa.union_all(
        sa.select(ab_pairs.c.control_run_id).where(which),
        sa.select(ab_pairs.c.treatment_run_id).where(which),
    )
