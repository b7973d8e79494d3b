"""`autopack replay`: finished runs again, to see what other features bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.campaigns.lanes import replays_of
from autopack.campaigns.planning import ReplayRequest, plan_campaign
from autopack.clock import SystemClock
from autopack.experiments.verdicts.wording import count
from autopack.model.ids import new_run_id
from autopack.model.states import RunState
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.shared.executing import execute_many
from deployments.cli.shared.options import THREE_INLINE, ManyRuns, Push
from deployments.cli.shared.output import AsJson, note, out, plain_table, print_json, state_text
from deployments.cli.shared.serving import start_server
from deployments.cli.shared.terminal import styled
from flows.process import INTERRUPTED


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CampaignOptions:
    """Which runs are replayed, and with what."""

    state: Annotated[
        str, Parameter(help="Runs that ended in this state; FAILED means any failed state.")
    ] = "FAILED"
    since: Annotated[
        str | None,
        Parameter(help="Finished on or after this day (UTC), or within an age such as 7d."),
    ] = None
    until: Annotated[str | None, Parameter(help="Finished on this day (UTC) or earlier.")] = None
    run_id: Annotated[
        list[str] | None, Parameter(help="This run, whatever its state.", negative="")
    ] = None
    campaign: Annotated[str | None, Parameter(help="Runs of this campaign.")] = None
    enable: Annotated[
        list[str] | None, Parameter(help="A feature that the candidate has on.", negative="")
    ] = None
    disable: Annotated[
        list[str] | None, Parameter(help="A feature that it has off.", negative="")
    ] = None
    no_baseline: Annotated[
        bool, Parameter(help="Do not run the originals again as they were.", negative="")
    ] = False
    token_cap: Annotated[int | None, Parameter(help="The most tokens of all replays together.")] = (
        None
    )
    name: Annotated[
        str | None,
        Parameter(
            help="A name for the campaign. The name of an interrupted one resumes it, with "
            "the runs, features and token cap that it has."
        ),
    ] = None
    push: Push = None

    def request(self) -> ReplayRequest:
        """Return what is asked for."""
        return ReplayRequest(
            state=self.state,
            since=self.since,
            until=self.until,
            run_ids=tuple(self.run_id or ()),
            campaign=self.campaign,
            enable=tuple(self.enable or ()),
            disable=tuple(self.disable or ()),
            baseline=not self.no_baseline,
            token_cap=self.token_cap,
            push=self.push,
        )


_ALL_FAILED = CampaignOptions()


def replay(
    *,
    asked: CampaignOptions = _ALL_FAILED,
    dry_run: Annotated[
        bool, Parameter(help="Only show what would be run, and what it may cost.", negative="")
    ] = False,
    many: ManyRuns = THREE_INLINE,
    as_json: AsJson = False,
) -> int:
    """Run finished runs again, and compare.

    Each is run twice, as it was and with the features named: of failed runs some succeed a second
    time whatever is changed, and the report tells the two apart.
    """
    many.check()
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    now = SystemClock().now()
    called = asked.name or new_run_id(now).replace("run-", "replay-")
    planned = plan_campaign(db, called, asked.request(), now=now, home=settings.home)
    if dry_run:
        view = planned.as_json()
        print_json(view) if as_json else _print_selection(view)
        return 0
    for one in planned.left_out:
        note(f"skipped: {one.run_id}: {one.reason}")
    answers = start_server(settings)

    async def work() -> dict[str, Any]:
        from flows.replay import replay_campaign

        return await replay_campaign(
            run_id=list(planned.campaign.run_ids),
            enable=asked.enable,
            disable=asked.disable,
            max_concurrent_runs=many.max_,
            no_baseline=asked.no_baseline,
            executor=many.executor,
            deployment=many.deployment,
            token_cap=asked.token_cap,
            name=called,
            push=asked.push,
        )

    result = execute_many(
        work,
        db=db,
        run_ids=lambda: sorted(run.run_id for run in replays_of(db, called).values()),
        server_answers=answers,
    )
    if as_json:
        print_json(result)
    elif result["finished"]:
        _print_report(result)
        note(f"the report is in {settings.home / 'reports' / called}")
    else:
        _print_unfinished(result["unfinished_runs"])
    if not result["finished"]:
        _say_how_to_resume(result["unfinished_runs"], called)
    return exit_code(result)


def exit_code(result: dict[str, Any]) -> int:
    """0 with a report; else 130 after an interruption, 3 when the rest waits for a person, or 1."""
    if result["finished"]:
        return 0
    if is_stopping():
        return INTERRUPTED
    return 3 if all(map(_waits, result["unfinished_runs"])) else 1


def _waits(run: dict[str, Any]) -> bool:
    return run["state"] == RunState.AWAITING_APPROVAL


def _print_unfinished(runs: list[dict[str, Any]]) -> None:
    table = plain_table("run", "state", "error", wraps=("error",))
    for run in runs:
        table.add_row(run["run_id"], state_text(run["state"]), run["error"] or "")
    out.print(table)


def _say_how_to_resume(runs: list[dict[str, Any]], name: str) -> None:
    waiting = sum(map(_waits, runs))
    if waiting:
        note(f"{count(waiting, 'run')} waiting for an answer: give it with `autopack approve RUN`")
    if waiting < len(runs) and not is_stopping():
        note("give up what cannot be resumed with `autopack cancel RUN`")
    note(f"{count(len(runs), 'run')} not ended: resume with `autopack replay --name {name}`")


def _print_selection(view: dict[str, Any]) -> None:
    table = plain_table("run", "state", "goal", wraps=("goal",))
    for run in view["runs"]:
        table.add_row(run["run_id"], state_text(run["state"]), run["goal"])
    out.print(table)
    lanes = " and ".join(view["lanes"])
    out.print(
        f"{len(view['runs'])} runs would be replayed as {lanes}, "
        f"with at most {view['reserved_tokens']:,} tokens; dates are days in UTC"
    )
    if view["push"]:
        out.print(f"every attempt would be pushed to {', '.join(view['push'])}")
    if view["left_out"]:
        lost = plain_table("skipped", "reason", wraps=("reason",))
        for one in view["left_out"]:
            lost.add_row(one["run_id"], one["reason"])
        out.print()
        out.print(lost)


def _print_report(report: dict[str, Any]) -> None:
    from autopack.campaigns.campaign_report import report_tables
    from autopack.campaigns.compare import CampaignReport

    out.print(report["sentence"])
    for line in report["notes"]:
        out.print(f"  {line}")
    for found in report_tables(CampaignReport.model_validate(report)):
        out.print("\n", styled(found.title, "bold"), sep="")
        table = plain_table(*found.header, wraps=("goal", "comparison", "such as", "reason"))
        for row in found.rows:
            table.add_row(*(cell for cell in row))
        out.print(table)
