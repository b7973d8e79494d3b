"""What a run shows while it runs and when it has ended: artifacts and events in Prefect."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from prefect.events import emit_event

from autopack.clock import Clock, SystemClock
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.views.board import line, simulated_text, tokens_text
from autopack.views.branch_location import where_branch_is
from autopack.views.escaping import code, markdown, markdown_table, prose
from autopack.views.fleet_standing import standings
from autopack.views.live_build import LiveBuilds, live_line
from autopack.views.operating.page_links import run_address
from autopack.views.repair_view import review_line
from autopack.views.run_view import changed_test_paths, left_out_paths
from tasks.artifacts import (
    artifact_key,
    change_progress,
    publish_markdown,
    publish_progress,
    publish_table,
    with_page,
)

ABOUT = ("phase_id", "state", "tokens")
"""What every event about a run has, None where it is about none."""


def emit(event: str, run_id: str, **payload: Any) -> None:
    """Emit ``autopack.<event>`` about a run; automations and the UI listen to these."""
    emit_event(
        event=f"autopack.{event}",
        resource={
            "prefect.resource.id": f"autopack.run.{run_id}",
            "prefect.resource.name": run_id,
        },
        payload={"run_id": run_id, **dict.fromkeys(ABOUT), **payload},
    )


def emit_experiment(event: str, test_id: str, **payload: Any) -> None:
    """Emit ``autopack.<event>`` about an experiment."""
    emit_event(
        event=f"autopack.{event}",
        resource={
            "prefect.resource.id": f"autopack.experiment.{test_id}",
            "prefect.resource.name": test_id,
        },
        payload={"test_id": test_id, **payload},
    )


class RunProgress:
    """The progress artifact of one run, or of many.

    Written in step with the run, never beside it: two writes at once make a Prefect server on
    SQLite refuse one of them, and its client then waits two seconds.
    """

    def __init__(self, run_id: str, clock: Clock) -> None:
        self._run_id = run_id
        self._clock = clock
        self._artifact: UUID | None = None
        self._shown: tuple[float, str] | None = None
        self._shown_at = float("-inf")

    def is_due(self) -> bool:
        """Return whether a second has passed since something was shown."""
        return self._clock.monotonic() - self._shown_at >= 1.0

    async def show(self, percent: float, text: str, *, last: bool = False) -> None:
        """Create the artifact, or move it to ``percent`` (0 to 100); ``text`` describes it.

        At most once a second; the ``last`` figure of a run always.
        """
        if (percent, text) == self._shown or not (last or self.is_due()):
            return
        self._shown, self._shown_at = (percent, text), self._clock.monotonic()
        if self._artifact is None:
            self._artifact = await publish_progress(
                percent, key=artifact_key("progress", self._run_id), description=text
            )
        else:
            await change_progress(self._artifact, percent, description=text)


def standing_line(db: Database, run_id: str) -> str:
    """Return how the run stands, in one line: what lists of artifacts show."""
    live = LiveBuilds(db, Settings.from_environment(), run_id, SystemClock()).look()
    return " · ".join([line(standings(db, [run_id])[0]), *map(live_line, live)])


async def publish_summary(db: Database, run: dict[str, Any]) -> None:
    """Publish the summary of a run (the JSON of `show`), and as a table of its own what each phase
    spent.
    """
    run_id = run["run_id"]
    text = await asyncio.to_thread(standing_line, db, run_id)
    summary = summary_markdown(run, where_branch_is(run, Settings.from_environment().home))
    await publish_markdown(
        with_page(summary, run_address(run_id)),
        key=artifact_key("summary", run_id),
        description=text,
    )
    await publish_table(
        token_table(run),
        key=artifact_key("tokens", run_id),
        description=text,
    )


def token_table(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each phase of a run (the JSON of `show`) spent, and all of them."""
    names = ("phase_id", "attempts")
    rows = [
        {
            **{name: phase[name] for name in names},
            "tokens": _table_figure(phase["tokens"], phase["unknown_builds"]),
        }
        for phase in run["phases"]
    ]
    attempts = sum(phase["attempts"] for phase in run["phases"])
    tokens = run["tokens"]
    total = _table_figure(tokens["total"], tokens["unknown_builds"])
    return [*rows, {"phase_id": "all", "attempts": attempts, "tokens": total}]


def _table_figure(tokens: int | None, unknown_builds: int) -> int | str:
    """Return a number where it is all of it, else words."""
    exact = tokens is not None and not unknown_builds
    return tokens if exact and tokens is not None else tokens_text(tokens, unknown_builds)


def _cost(run: dict[str, Any]) -> str:
    cost, known = run["cost"], run["cost_known"]
    text = "unknown" if cost is None else f"${cost:.4f}"
    if cost is None and known is not None:
        text += f" (${known:.4f} of it known)"
    return text + simulated_text(run["simulated_calls"], run["calls"])


def summary_markdown(run: dict[str, Any], where: str | None = None) -> str:
    """Return the summary of a run (the JSON of `show`) as Markdown; ``where`` says where its branch
    is.
    """
    reason = f": {prose(run['failure_reason'])}" if run["failure_reason"] else ""
    lines = [
        f"# {markdown(run['goal'])}",
        "",
        f"**{run['state']}**{reason}",
        "",
        f"Run {code(run['run_id'])} on {code(run['repo'])}, branch {code(run['branch'])}, "
        f"builder {code(run['builder'])}.",
        *(["", f"The branch is {prose(where)}"] if where is not None else []),
        "",
        markdown_table(
            ("phase", "state", "attempts", "tokens", "commit"),
            [
                (
                    phase["phase_id"],
                    phase["state"],
                    str(phase["attempts"]),
                    tokens_text(phase["tokens"], phase["unknown_builds"]),
                    (phase["commit"] or "")[:12],
                )
                for phase in run["phases"]
            ],
            rule="  rr",
        ),
    ]
    tokens = run["tokens"]
    names = ("input", "cache_read", "cache_write", "output", "unsplit")
    parts = [tokens_text(tokens[name]) for name in names]
    total = tokens_text(tokens["total"], tokens["unknown_builds"])
    header = ("tokens", *(name.replace("_", " ") for name in names), "cost")
    lines += ["", markdown_table(header, [(total, *parts, _cost(run))], rule="rrrrrrr")]
    if tokens["unknown_builds"]:
        lines += ["", f"{tokens['unknown_builds']} builds told less than all of what they used."]
    for phase in run["phases"]:
        if phase["failure"]:
            lines += [
                "",
                f"**{markdown(phase['phase_id'])}** {prose(phase['failure']['message'])}",
            ]
    for phase in run["phases"]:
        if phase.get("unchanged"):
            unchanged = "nothing was changed, its checks pass as they are"
            lines += ["", f"**{markdown(phase['phase_id'])}** {unchanged}"]
        for words, paths in (
            ("Not in the commit, and set aside before the checks", left_out_paths(phase)),
            ("Changed tests and test settings", changed_test_paths(phase)),
        ):
            if paths:
                listed = ", ".join(map(code, paths))
                lines += ["", f"**{markdown(phase['phase_id'])}** {words}: {listed}"]
        lines += [
            f"\n**{markdown(phase['phase_id'])}** {prose(told)}"
            for told in map(review_line, phase["reviews"])
        ]
    return "\n".join(lines) + "\n"
