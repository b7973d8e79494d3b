"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import logging
import textwrap
from typing import Annotated, Any

from cyclopts import Parameter
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from autopack.model.counted import counted
from autopack.model.errors import AutopackError, PlanError
from autopack.views.board import simulated_text, tokens_text
from deployments.cli.shared import early, streams
from deployments.cli.shared.terminal import PlainFormatter, Terminal, styled

AsJson = Annotated[
    bool, Parameter(name="--json", negative="", help="Print one JSON object instead.")
]
Limit = Annotated[int, Parameter(help="How many rows at most, up to 10,000.")]
After = Annotated[str | None, Parameter(help="The cursor of the page before.")]

_NAMED = 12

out = Terminal()
err = Terminal(stderr=True)
if logging.lastResort is not None:
    logging.lastResort.setFormatter(PlainFormatter())

_STATE_STYLES = {
    "DONE_SUCCESS": "green",
    "COMPLETE": "green",
    "EXECUTING": "cyan",
    "PHASE_EXECUTION": "cyan",
    "AWAITING_APPROVAL": "yellow",
    "QUEUED": "dim",
    "RUN_CREATED": "dim",
}


def look_at_the_terminal() -> None:
    """Have both consoles find out again what they write to, in a process that has just got it."""
    out.__init__()
    err.__init__(stderr=True)


def print_json(value: dict[str, Any]) -> None:
    """Print the one JSON object of a command on stdout."""
    streams.write_json(value)


def print_error(error: AutopackError) -> None:
    """One clear line on stderr, and the next step below it."""
    early.be_quiet()
    err.print(styled("error:", "red"), error.message)
    if error.hint:
        err.print(styled("hint:", "dim"), error.hint)
    for problem in error.problems[1:] if isinstance(error, PlanError) else ():
        field = f"{problem.field}: " if problem.field else ""
        err.print(styled("also:", "red"), f" line {problem.line}: {field}{problem.message}")


def all_problems(error: AutopackError) -> dict[str, Any]:
    """Everything that is wrong with a plan file, as ``--json`` prints it beside the error."""
    if not isinstance(error, PlanError) or not error.problems:
        return {}
    return {"problems": [problem._asdict() for problem in error.problems]}


def note(text: str) -> None:
    """Something a person should know, on stderr."""
    early.be_quiet()
    err.print(styled(text, "dim"))


def state_text(state: str, *, paused: bool = False) -> Text:
    """Return a state in its colour, and whether what has it is paused."""
    text = styled(state, _STATE_STYLES.get(state, "red"))
    return text + styled(" (paused)", "yellow") if paused else text


def plain_table(*headers: str, right: tuple[str, ...] = (), wraps: tuple[str, ...] = ()) -> Table:
    """Return a table without decoration; the columns in ``right`` hold numbers.

    In a narrow terminal those in ``wraps`` give way, so that ids can always be copied.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(
            header, justify="right" if header in right else "left", no_wrap=header not in wraps
        )
    return table


def print_uncut(table: Table) -> None:
    """Print a table of figures at its full width: a number that is cut is a wrong number."""
    needed = Measurement.get(out, out.options.update(width=10_000), table).maximum
    Terminal(width=max(out.width, needed)).print(table)


def figure_text(figure: float | None, pattern: str = "{:,}") -> str:
    """Return a figure, or that it is unknown."""
    return "unknown" if figure is None else pattern.format(figure)


def cost_text(view: dict[str, Any]) -> str:
    """Return the money of a view: all of it, or what is known and how much is not."""
    cost, known = view["cost"], view["cost_known"]
    text = "cost unknown"
    if cost is not None:
        text = f"${cost:,.4f}"
    elif known is not None:
        text = f"cost unknown, ${known:,.4f} of it known"
    if view["unpriced_calls"]:
        calls = counted(view["unpriced_calls"], "call")
        text += f" ({calls} of models without a known price)"
    return text + simulated_text(view["simulated_calls"], view["calls"])


def unknown_text(builds: int) -> str:
    """That builds told less than all they used."""
    return f"{builds} {'build' if builds == 1 else 'builds'} told less than all of what they used"


def phase_table(run: dict[str, Any]) -> Table:
    """Return the phases of a run (the JSON of `show`)."""
    table = plain_table(
        "phase", "tier", "state", "attempts", "tokens", "commit", right=("attempts", "tokens")
    )
    for phase in run["phases"]:
        table.add_row(
            phase["phase_id"],
            phase["tier"],
            state_text(phase["state"]),
            str(phase["attempts"]),
            tokens_text(phase["tokens"], phase["unknown_builds"]),
            (phase["commit"] or "")[:12],
        )
    return table


def print_run(run: dict[str, Any]) -> None:
    """A run for people: its state, its phases, what it spent, where its work is."""
    from autopack.settings import Settings
    from autopack.views.attempt_view import built_by
    from autopack.views.branch_location import where_branch_is
    from autopack.views.pause_view import pause_lines

    out.print(state_text(run["state"]), run["goal"], sep="  ")
    if run["failure_reason"]:
        out.print(f"  {run['failure_reason']}")
    for line in pause_lines(run["paused"]):
        out.print(f"  paused: {line}")
    out.print()
    out.print(phase_table(run))
    for line in built_by(run):
        out.print(line)
    out.print()
    tokens = run["tokens"]
    cap = run["budget"]["limits"]["tokens"]
    parts = ("input", "cache_read", "cache_write", "output")
    split = ", ".join(f"{name.replace('_', ' ')} {figure_text(tokens[name])}" for name in parts)
    total = tokens_text(tokens["total"], tokens["unknown_builds"])
    out.print(f"tokens  {total} of {cap:,}  ({split})  {cost_text(run)}")
    if tokens["unknown_builds"]:
        out.print(f"        {unknown_text(tokens['unknown_builds'])}")
    print_budget(run["budget"]["tree"])
    out.print(f"run     {run['run_id']}")
    where = run["branch"] if run["head_commit"] else "nothing completed yet"
    out.print(f"branch  {where}")
    found = where_branch_is(run, Settings.from_environment().home)
    if found is not None:
        out.print(f"        {found}")
    made = run["pull_request"]
    if made is not None and made["url"]:
        out.print(f"pull request  {made['url']} ({made['state']})")
    elif made is not None and made["error"]:
        out.print(f"pull request  none: {made['error']}; try again: autopack pr {run['run_id']}")
    last_look: dict[str, Any] = run["final_check"] or {}
    for one in last_look.get("outdated", []):
        note(f"a check of phase {one['phase_id']} no longer holds at the end: {one['message']}")
    for text in run["setup_notes"]:
        note(f"setup: {text}")
    for phase in run["phases"]:
        if phase["failure"]:
            out.print(f"\n{phase['phase_id']}: {phase['failure']['message']}")
            last = phase["last_failure"]
            if last is not None and last["lines"]:
                out.print(textwrap.indent(last["lines"], "    "), soft_wrap=True)
                log = last["log"]
                out.print(f"    the full output: {log} in the run's folder")
            if last is not None and last["ref"]:
                out.print(
                    f"    its work: autopack fetch {run['run_id']} --phase {phase['phase_id']} "
                    f"--attempt {last['attempt']}"
                )


def found_by_judging(run: dict[str, Any]) -> list[str]:
    """Lines on phases that changed nothing, what attempts left out of their commits, changed tests,
    what reviewers said, and where the reports of research are.
    """
    from autopack.views.repair_view import review_line
    from autopack.views.run_view import changed_test_paths, left_out_paths

    lines: list[str] = []
    for phase in run["phases"]:
        if phase.get("unchanged"):
            lines.append(f"{phase['phase_id']}: nothing was changed, its checks pass as they are")
        for words, paths in (
            ("not in the commit, and set aside before the checks", left_out_paths(phase)),
            ("changed tests", changed_test_paths(phase)),
        ):
            if paths:
                more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
                lines.append(f"{phase['phase_id']}: {words}: {', '.join(paths[:_NAMED])}{more}")
        lines += [f"{phase['phase_id']}: {review_line(one)}" for one in phase["reviews"]]
        if phase.get("report_id"):
            shown = f"autopack research show {run['run_id']} --phase {phase['phase_id']}"
            lines.append(f"{phase['phase_id']}: what it found: {shown}")
    return lines


def print_budget(tree: list[dict[str, Any]]) -> None:
    """Print limits, spend and reservations; omit levels that limit and reserve nothing."""
    table = plain_table(
        "budget", "spent", "reserved", "limit", right=("spent", "reserved", "limit")
    )
    for node in tree:
        for resource, pattern in (("tokens", "{:,}"), ("cost", "${:,.4f}"), ("minutes", "{:,.1f}")):
            limit, held = node["limits"][resource], node["reserved"][resource]
            if limit is None and not held:
                continue
            table.add_row(
                f"{node['level']} {node['name']}, {resource}"
                + (f" per {node['per']}" if node.get("per") else ""),
                figure_text(node["spent"][resource], pattern),
                pattern.format(held),
                "" if limit is None else pattern.format(limit),
            )
    out.print(table if table.rows else "nothing is capped")
