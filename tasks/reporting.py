"""What a run shows while it goes on and when it has ended: artifacts and events in Prefect."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    aupdate_progress_artifact,
)
from prefect.events import emit_event

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
    """The progress artifact of one run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._artifact: UUID | None = None

    async def show(self, percent: float) -> None:
        """Create the artifact, or move it to ``percent`` (0 to 100)."""
        if self._artifact is None:
            self._artifact = await acreate_progress_artifact(
                percent,
                key=artifact_key("progress", self._run_id),
                description=f"Phases of {self._run_id} that are complete",
            )
        else:
            await aupdate_progress_artifact(self._artifact, progress=percent)


async def publish_summary(db: Database, run_id: str) -> None:
    """Publish the run's summary: its end, its phases, what it spent, where its work is."""
    await acreate_markdown_artifact(
        summary_markdown(run_view(db, run_id)),
        key=artifact_key("summary", run_id),
        description=f"How {run_id} ended",
    )


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
