"""Where many runs stand, in words: what is running, what is stuck, what it cost."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from autopack.model.counted import counted, dollars
from autopack.model.states import RunState
from autopack.views.escaping import linked, markdown, markdown_table

if TYPE_CHECKING:
    from autopack.views.fleet_standing import Standing  # loads SQLAlchemy

# What fits beside the figures on the page of an artifact.
_WIDTH = 90


class Kind(StrEnum):
    """What a run is to an operator, in the order in which they want to see it."""

    STUCK = "stuck"
    WAITS = "waiting for a person"
    FAILED = "failed"
    WORKS = "at work"
    TO_COME = "to come"
    DONE = "done"


def kind_of(run: Standing) -> Kind:
    """Return which of these the run is; one that was released unfinished is stuck too."""
    if run.state is RunState.PHASE_EXECUTION:
        return Kind.STUCK if run.silent_since or run.interrupted else Kind.WORKS
    if run.state is RunState.AWAITING_APPROVAL:
        return Kind.WAITS
    if run.state is RunState.RUN_CREATED:
        return Kind.TO_COME
    return Kind.DONE if run.state is RunState.DONE_SUCCESS else Kind.FAILED


def headline(runs: Sequence[Standing]) -> str:
    """Return how many of each kind there are, and what all of them spent."""
    counts = Counter(kind_of(run) for run in runs)
    parts = [f"{counts[kind]} {kind}" for kind in Kind if counts[kind]]
    return " · ".join([*parts, _spent(runs)])


def line(run: Standing) -> str:
    """One run in a line: state, what it spent, phases, what goes on or what it waits for."""
    about = run.failure_reason if kind_of(run) is Kind.FAILED else _about(run)
    parts = [run.state.value, _spent([run]), f"{run.completed} of {counted(run.phases, 'phase')}"]
    return " · ".join([*parts, *([about] if about else [])])


def board(runs: Sequence[Standing], link: Callable[[str], str | None]) -> str:
    """All runs as a Markdown table, those that need somebody first.

    ``link`` gives the address of a flow run's page, None where there is none.
    """
    order = list(Kind)
    rows: list[tuple[str, ...]] = []
    for run in sorted(runs, key=lambda one: order.index(kind_of(one))):
        address = link(run.flow_run_id) if run.flow_run_id else None
        cells = (
            linked(run.run_id, address) if address else run.run_id,
            kind_of(run).value,
            _clock(run.silent_since or run.since),
            f"{run.completed}/{run.phases}",
            tokens_text(run.tokens, run.unknown_builds),
            money_text(run.cost),
            textwrap.shorten(_about(run), _WIDTH, placeholder="…"),
        )
        rows.append(cells)
    header = ("run", "is", "since (UTC)", "phases", "tokens", "cost", "what")
    table = markdown_table(header, rows, rule="   rrr")
    return f"**{markdown(headline(runs))}**\n\n{table}\n"


def tokens_text(tokens: int | None, unknown_builds: int = 0) -> str:
    """A count of tokens, at least how many they are, or that nothing is known."""
    if tokens is None:
        return "unknown"
    return f"≥ {tokens:,}" if unknown_builds else f"{tokens:,}"


def simulated_text(simulated: int, calls: int) -> str:
    """Return, with a blank before it, how many of the calls were simulated; empty when none was.

    Only where all of them were, nothing was paid.
    """
    if not simulated:
        return ""
    if simulated < calls:
        return f" ({simulated:,} of {counted(calls, 'call')} simulated)"
    return " (simulated: nothing was paid)"


def money_text(cost: Decimal | None) -> str:
    """US dollars, or that they are unknown."""
    return "cost unknown" if cost is None else dollars(cost)


def _about(run: Standing) -> str:
    match kind_of(run):
        case Kind.STUCK:
            what = f"in {run.phase}, " if run.phase else ""
            if run.interrupted:
                return f"{what}interrupted: autopack resume {run.run_id}"
            return f"{what}lease expired; reconcile will resume it"
        case Kind.WAITS:
            return run.question or "for an answer"
        case Kind.WORKS:
            return run.phase or ""
        case Kind.FAILED:
            reason = f": {run.failure_reason}" if run.failure_reason else ""
            return f"{run.state.value}{reason}"
        case Kind.TO_COME | Kind.DONE:
            return ""


def _spent(runs: Sequence[Standing]) -> str:
    known = [run.cost for run in runs if run.cost is not None]
    cost = sum(known, Decimal(0)) if len(known) == len(runs) else None
    known_tokens = [run.tokens for run in runs if run.tokens is not None]
    tokens = sum(known_tokens) if known_tokens or not runs else None
    unknown = sum(run.unknown_builds for run in runs)
    return f"{tokens_text(tokens, unknown)} tokens · {money_text(cost)}"


def _clock(at: datetime | None) -> str:
    return "" if at is None else f"{at:%m-%d %H:%M:%S}"
