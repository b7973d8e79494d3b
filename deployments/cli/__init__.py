"""The `autopack` command: its tree of commands, and what every ending looks like.

Commands are named, not imported, so that `autopack --help` stays quick. Logs and progress go to
stderr, answers to stdout; with ``--json`` stdout holds exactly one JSON object, also on failure.
Exit codes: 0 done, 1 the work failed, 2 bad input or a refusal, 3 waiting for a person,
130 interrupted.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from autopack import __version__
from autopack.model.errors import AutopackError, BadInput, PlanError, WorkFailed
from autopack.settings import process_environment

_RUNS = "deployments.cli.runs.runs"

app = App(
    name="autopack",
    help="Run autonomous coding work unattended, and prove what it was worth.",
    version=__version__,
    # Markdown would cost a quarter of the half second that help may take.
    help_format="plaintext",
)
app.command(
    "deployments.cli.runs.demo:demo",
    name="demo",
    help="Run a small plan on a sample repository, start to finish.",
)
app.command(f"{_RUNS}:run", name="run", help="Run a plan on a git repository.")
app.command(f"{_RUNS}:resume", name="resume", help="Resume an interrupted run.")
app.command(
    "deployments.cli.runs.retry:retry",
    name="retry",
    help="Run what a finished run did not complete, as a new run.",
)
app.command(
    "deployments.cli.runs.fetch:fetch",
    name="fetch",
    help="Bring the commit of an attempt into your repository.",
)
app.command(f"{_RUNS}:cancel", name="cancel", help="End a run, wherever it is being worked on.")
app.command("deployments.cli.runs.pause:pause", name="pause", help="Keep builds from starting.")
app.command("deployments.cli.runs.pause:unpause", name="unpause", help="Let builds start again.")
app.command(
    "deployments.cli.runs.pause:caps", name="caps", help="Raise or lower the caps of a run."
)
app.command(
    "deployments.cli.runs.approve:approve",
    name="approve",
    help="Answer a run that waits for a person.",
)
app.command(
    "deployments.cli.runs.fleet:fleet", name="fleet", help="Run many plans, some at a time."
)
app.command(
    "deployments.cli.experiments.replay:replay",
    name="replay",
    help="Run finished runs again, and compare.",
)
app.command(
    "deployments.cli.machine.reconcile:reconcile",
    name="reconcile",
    help="Resume orphaned runs and clean up after crashed processes.",
)
app.command("deployments.cli.runs.show:runs", name="runs", help="List runs, newest first.")
app.command("deployments.cli.runs.show:show", name="show", help="Show one run and its phases.")
app.command(
    "deployments.cli.runs.logs:logs", name="logs", help="Show what the agents of a run say and do."
)
app.command("deployments.cli.runs.diff:diff", name="diff", help="Show what a run changed.")
app.command(
    "deployments.cli.runs.merge:merge", name="merge", help="Bring a run's work into your checkout."
)
app.command(
    "deployments.cli.runs.pull_request:pull_request",
    name="pr",
    help="Open the pull request of a run that succeeded.",
)
app.command(
    "deployments.cli.runs.clean:clean", name="clean", help="Free the disk space of ended runs."
)
app.command(
    "deployments.cli.runs.features:features", name="features", help="List what a run can turn on."
)
app.command(
    "deployments.cli.runs.open_run:open_", name="open", help="Show a run in the Prefect UI."
)
app.command("deployments.cli.runs.show:tokens", name="tokens", help="Show what a run spent.")
app.command(
    "deployments.cli.ledger.metrics:metrics", name="metrics", help="Show what features did."
)
app.command(
    "deployments.cli.ledger.importing:import_", name="import", help="Import usage from a file."
)
app.command("deployments.cli.ledger.usage:app", name="usage", help="Show what a period used.")
app.command(
    "deployments.cli.projects.builders:app",
    name="builders",
    help="See which coding agents can build here.",
)
app.command(
    "deployments.cli.projects.look:toolchain", name="toolchain", help="Show how a project is built."
)
app.command(
    "deployments.cli.projects.show_context:context",
    name="context",
    help="Show the files that a builder would be shown.",
)
app.command(
    "deployments.cli.machine.chaos:chaos",
    name="chaos",
    help="Kill things, and see whether any is lost.",
)
app.command("deployments.cli.machine.health:health", name="health", help="Check this installation.")
app.command(
    "deployments.cli.machine.up:up", name="up", help="Start a local Prefect with UI and worker."
)
app.command(
    "deployments.cli.machine.down:down", name="down", help="End the Prefect server of this home."
)
app.command(
    "deployments.cli.machine.deploy:deploy",
    name="deploy",
    help="Set up your Prefect server for runs.",
)
app.command(
    "deployments.cli.machine.worker:worker",
    name="worker",
    help="Execute what your Prefect server plans.",
)

notify = App(name="notify", help="Tell people what happens.")
notify.command(
    "deployments.cli.machine.notify:send_test", name="test", help="Send one message, as a test."
)
app.command(notify)
app.command("deployments.cli.machine.api:app", name="api", help="Serve runs over HTTP.")

plan = App(name="plan", help="Write plan files, and look at them.")
plan.command(
    "deployments.cli.projects.plan_init:init", name="init", help="Write a first plan file."
)
plan.command("deployments.cli.projects.look:check", name="check", help="Check a plan file.")
plan.command(
    "deployments.cli.projects.normalise:normalise",
    name=["normalise", "normalize"],
    help="Turn plain text into a plan.",
)
app.command(plan)

research = App(name="research", help="Answer questions by quotations that can be checked again.")
research.command(
    "deployments.cli.research.research_run:run",
    name="run",
    help="Answer questions about a repository.",
)
research.command(
    "deployments.cli.research.research_run:show", name="show", help="Show a report again."
)
research.command(
    "deployments.cli.research.research_verify:verify",
    name="verify",
    help="Check the citations of a report again.",
)
app.command(research)

review = App(name="review", help="What reviewers said of changes.")
review.command(
    "deployments.cli.runs.review_judge:judge_review",
    name="judge",
    help="Say that a rejection was right or wrong.",
)
app.command(review)

patterns = App(
    name="patterns", help="Known failures, and those that keep coming without being known."
)
patterns.command("deployments.cli.patterns.patterns:list_patterns", name="list", help="List them.")
patterns.command(
    "deployments.cli.patterns.patterns:match", name="match", help="Say which one an error is."
)
patterns.command(
    "deployments.cli.patterns.patterns_expand:expand",
    name="expand",
    help="Turn what keeps failing into detectors for review.",
)
patterns.command(
    "deployments.cli.patterns.patterns_mine:mine",
    name="mine",
    help="Say what keeps failing that no pattern caught.",
)
patterns.command(
    "deployments.cli.patterns.patterns_group:group_",
    name="group",
    help="Group failure texts by what they say.",
)
for name, does in (
    ("hits", "List what patterns recognised in runs."),
    ("judge", "Say that a hit was right or wrong."),
    ("promote", "Let a pattern do more, a step."),
    ("demote", "Let a pattern do less, a step."),
    ("retire", "Have nobody look for a pattern any more."),
    ("history", "Show how a pattern came to its state."),
):
    patterns.command(f"deployments.cli.patterns.patterns_judge:{name}", name=name, help=does)
app.command(patterns)


budget = App(name="budget", help="Budgets that several runs share.")
budget.command("deployments.cli.runs.budget:set_", name="set", help="Give a campaign its caps.")
budget.command("deployments.cli.runs.budget:show", name="show", help="Show what a campaign spent.")
app.command(budget)

ab = App(name="ab", help="Measure whether a change to the agent saves tokens or raises success.")
ab.command(
    "deployments.cli.experiments.ab_run:run",
    name="run",
    help="Run an experiment's pairs until the evidence suffices.",
)
ab.command(
    "deployments.cli.experiments.ab:analyse",
    name=("analyse", "analyze"),
    help="Analyse pairs, and give the verdict with its uncertainty.",
)
ab.command(
    "deployments.cli.experiments.ab_selftest:selftest",
    name="selftest",
    help="Would the verdict cry wolf on your own finished runs?",
)
ab.command(
    "deployments.cli.experiments.ab_power:power",
    name="power",
    help="How many pairs an effect needs, and what effect a number of pairs can see.",
)
app.command(ab)

db = App(name="db", help="Look after the application database.")
db.command(
    "deployments.cli.machine.database:upgrade", name="upgrade", help="Bring the schema up to date."
)
db.command(
    "deployments.cli.machine.database:check", name="check", help="Look for rows that disagree."
)
_RETENTION = "deployments.cli.machine.retention"
db.command(f"{_RETENTION}:identity", name="identity", help="Show which database this is.")
db.command(f"{_RETENTION}:retain", name="retain", help="Archive the calls of old runs.")
app.command(db)

app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType]
    help="Have the shell complete autopack's commands and options."
)


def main() -> None:
    """The console script."""
    from deployments.cli.shared import early, short_lived

    short_lived.put_off_garbage()
    early.say_soon(sys.argv[1:])
    code = run_command(sys.argv[1:])
    early.be_quiet()
    short_lived.leave(code)


def run_command(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code. Never raises, never prints a traceback."""
    as_json = any(word.partition("=")[0] == "--json" for word in argv)
    try:
        code = app(
            list(argv),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(BadCommand(str(error), hint="autopack --help"), as_json)
    except AutopackError as error:
        return _fail(error, as_json)
    except KeyboardInterrupt:
        return _fail(Interrupted("interrupted"), as_json)
    except (BrokenPipeError, SystemExit) as ending:
        # The reader of a pipe went away, for which rich leaves; nothing is left to tell it.
        if not isinstance(ending.__context__ or ending, BrokenPipeError):
            raise
        from deployments.cli.shared.output import discard_stdout

        discard_stdout()
        return 0
    except Exception as error:
        return _fail(_full_disk(error) or _closed_home(error) or _unexpected(error), as_json)
    return code if isinstance(code, int) else 0


class BadCommand(AutopackError):
    """The command line itself cannot be understood."""

    kind = "command"


class Interrupted(AutopackError):
    """The user pressed Ctrl-C."""

    kind = "interrupted"
    exit_code = 130


class Unexpected(AutopackError):
    """A fault of Autopack's own."""

    kind = "internal"
    exit_code = 1


def _fail(error: AutopackError, as_json: bool) -> int:
    from autopack.secrecy.credentials import MASK, SHAPES, environment_secrets
    from autopack.secrecy.redaction import Redactor
    from deployments.cli.shared.output import all_problems, discard_stdout, print_error, print_json

    redactor = Redactor(environment_secrets(process_environment()))

    def told(text: str) -> str:
        # What was typed where it does not belong may be a key, too.
        return SHAPES.sub(MASK, redactor.text(text))

    error.message = told(error.message)
    error.hint = error.hint and told(error.hint)
    if isinstance(error, PlanError):
        problems = [each._replace(message=told(each.message)) for each in error.problems]
        error.problems = tuple(problems)

    try:
        if as_json:
            print_json({"error": error.as_json()} | all_problems(error))
            return error.exit_code
    except OSError:  # not even this can be written there
        discard_stdout()
    print_error(error)
    return error.exit_code


def _full_disk(error: Exception) -> WorkFailed | None:
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return WorkFailed(
        "no room is left on the disk" + (f" of {error.filename}" if error.filename else ""),
        hint="make room, then use `autopack resume`; `autopack runs` names what was stopped",
    )


def _closed_home(error: Exception) -> BadInput | None:
    if not isinstance(error, OSError) or error.errno not in (errno.EROFS, errno.EACCES):
        return None
    from autopack.settings import home_folder

    home = home_folder().resolve()
    if not Path(str(error.filename)).resolve().is_relative_to(home):
        return None
    return BadInput(
        f"AUTOPACK_HOME {home} cannot be written to: {error.strerror}",
        field="AUTOPACK_HOME",
        hint="set AUTOPACK_HOME to a folder that you may write to",
    )


def _unexpected(error: Exception) -> Unexpected:
    """Keep the traceback in a file, and say in one line where it is."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="autopack-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as report:
        traceback.print_exception(error, file=report)
    return Unexpected(
        f"{type(error).__name__}: {error}".splitlines()[0],
        hint=f"this is a fault of Autopack; the details are in {report.name}",
    )
