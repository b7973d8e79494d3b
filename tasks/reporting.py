"""What a run shows while it goes on and when it has ended: artifacts and events in Prefect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.events import emit_event

from autopack.clock import Clock
from autopack.execution.fleet import FleetItem
from autopack.execution.view import run_view
from autopack.store.engine import Database


def artifact_key(kind: str, run_id: str) -> str:
    """``autopack-<kind>-<run>``; Prefect takes only a-z, 0-9 and dashes."""
    return f"autopack-{kind}-{re.sub('[^a-z0-9-]', '-', run_id)}"


def emit(event: str, run_id: str, **payload: Any) -> None:
    """Emit ``autopack.<event>`` about a run; automations and the UI listen to these."""
    emit_event(
        event=f"autopack.{event}",
        resource={
            "prefect.resource.id": f"autopack.run.{run_id}",
            "prefect.resource.name": run_id,
        },
        payload={"run_id": run_id, **payload},
    )


class RunProgress:
    """The progress artifact of one run.

    Written in step with the run, never beside it: two writes at once make a Prefect server on
    SQLite refuse one of them, and its client then waits two seconds.
    """

    def __init__(self, run_id: str, clock: Clock) -> None:
        self._run_id = run_id
        self._clock = clock
        self._artifact: UUID | None = None
        self._shown: float | None = None
        self._shown_at = float("-inf")

    async def show(self, percent: float, *, last: bool = False) -> None:
        """Create the artifact, or move it to ``percent`` (0 to 100).

        At most once a second; the ``last`` figure of a run always.
        """
        now = self._clock.monotonic()
        if percent == self._shown or (not last and now - self._shown_at < 1.0):
            return
        self._shown, self._shown_at = percent, now
        if self._artifact is None:
            self._artifact = await acreate_progress_artifact(
                percent,
                key=artifact_key("progress", self._run_id),
                description=f"Phases of {self._run_id} that are complete",
            )
        else:
            await aupdate_progress_artifact(self._artifact, progress=percent)


async def publish_summary(db: Database, run_id: str) -> None:
    """Publish the run's summary, and as a table of its own what each phase spent."""
    run = run_view(db, run_id)
    await acreate_markdown_artifact(
        summary_markdown(run),
        key=artifact_key("summary", run_id),
        description=f"How {run_id} ended",
    )
    await acreate_table_artifact(
        token_table(run),
        key=artifact_key("tokens", run_id),
        description=f"What {run_id} spent",
    )


async def publish_fleet(name: str, items: Sequence[FleetItem]) -> None:
    """Publish how each run of a fleet ended, and what it spent."""
    await acreate_table_artifact(
        [item.as_json() for item in items],
        key=artifact_key("summary", name),
        description=f"How the runs of {name} ended",
    )


def token_table(run: dict[str, Any]) -> list[dict[str, Any]]:
    """What each phase of a run (the JSON of `show`) spent, and all of them."""
    names = ("phase_id", "attempts", "tokens")
    rows = [{name: phase[name] for name in names} for phase in run["phases"]]
    attempts = sum(phase["attempts"] for phase in run["phases"])
    return [*rows, {"phase_id": "all", "attempts": attempts, "tokens": run["tokens"]["total"]}]


def summary_markdown(run: dict[str, Any]) -> str:
    """The summary of a run (the JSON of `show`) as Markdown."""
    lines = [
        f"# {run['goal']}",
        "",
        f"**{run['state']}**" + (f": {run['failure_reason']}" if run["failure_reason"] else ""),
        "",
        f"Run `{run['run_id']}` on `{run['repo']}`, branch `{run['branch']}`, "
        f"builder `{run['builder']}`.",
        "",
        "| phase | state | attempts | tokens | commit |",
        "|---|---|---:|---:|---|",
    ]
    lines += [
        f"| {phase['phase_id']} | {phase['state']} | {phase['attempts']} "
        f"| {phase['tokens']:,} | {(phase['commit'] or '')[:12]} |"
        for phase in run["phases"]
    ]
    tokens = run["tokens"]
    cost = "unknown" if run["cost"] is None else f"${run['cost']:.4f}"
    lines += [
        "",
        "| tokens | input | cache read | cache write | output | unsplit | cost |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        f"| {tokens['total']:,} | {tokens['input']:,} | {tokens['cache_read']:,} "
        f"| {tokens['cache_write']:,} | {tokens['output']:,} | {tokens['unsplit']:,} | {cost} |",
    ]
    failures = [phase for phase in run["phases"] if phase["failure"]]
    for phase in failures:
        lines += ["", f"**{phase['phase_id']}** {phase['failure']['message']}"]
    return "\n".join(lines) + "\n"
