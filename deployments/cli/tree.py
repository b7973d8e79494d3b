"""The tree of `autopack`'s commands.

Commands are named, not imported, so that `autopack --help` stays quick. What is said of one here is
the first line of its docstring, which its own help shows whole.
"""

from __future__ import annotations

from cyclopts import App

from autopack import __version__
from deployments.cli.shared.commands_by_name import add_by_name

_RUNS = "deployments.cli.runs.runs"

app = App(
    name="autopack",
    help="Run autonomous coding work unattended, and prove what it was worth.",
    version=__version__,
    # Markdown would cost a quarter of the half second that help may take.
    help_format="plaintext",
)
add_by_name(
    app,
    "deployments.cli.runs.demo:demo",
    name="demo",
    line="Run a small plan on a sample repository, start to finish.",
)
add_by_name(app, f"{_RUNS}:run", name="run", line="Run a plan on a git repository.")
add_by_name(app, f"{_RUNS}:resume", name="resume", line="Resume an interrupted run.")
add_by_name(
    app,
    "deployments.cli.runs.retry:retry",
    name="retry",
    line="Run what a finished run did not complete, as a new run.",
)
add_by_name(
    app,
    "deployments.cli.runs.fetch:fetch",
    name="fetch",
    line="Bring the commit of an attempt into your repository.",
)
add_by_name(
    app, f"{_RUNS}:cancel", name="cancel", line="End a run, wherever it is being worked on."
)
add_by_name(
    app, "deployments.cli.runs.pause:pause", name="pause", line="Keep builds from starting."
)
add_by_name(
    app, "deployments.cli.runs.pause:unpause", name="unpause", line="Let builds start again."
)
add_by_name(
    app, "deployments.cli.runs.pause:caps", name="caps", line="Raise or lower the caps of a run."
)
add_by_name(
    app,
    "deployments.cli.runs.approve:approve",
    name="approve",
    line="Answer a run that waits for a person.",
)
add_by_name(
    app, "deployments.cli.runs.fleet:fleet", name="fleet", line="Run many plans, some at a time."
)
add_by_name(
    app,
    "deployments.cli.experiments.replay:replay",
    name="replay",
    line="Run finished runs again, and compare.",
)
add_by_name(
    app,
    "deployments.cli.machine.reconcile:reconcile",
    name="reconcile",
    line="Resume orphaned runs and clean up after crashed processes.",
)
add_by_name(app, "deployments.cli.runs.show:runs", name="runs", line="List runs, newest first.")
add_by_name(app, "deployments.cli.runs.show:show", name="show", line="Show one run and its phases.")
add_by_name(
    app,
    "deployments.cli.runs.logs:logs",
    name="logs",
    line="Show what the agents of a run say and do.",
)
add_by_name(app, "deployments.cli.runs.diff:diff", name="diff", line="Show what a run changed.")
add_by_name(
    app,
    "deployments.cli.runs.merge:merge",
    name="merge",
    line="Bring a run's work into your checkout.",
)
add_by_name(
    app,
    "deployments.cli.runs.pull_request:pull_request",
    name="pr",
    line="Open the pull request of a run that succeeded.",
)
add_by_name(
    app, "deployments.cli.runs.clean:clean", name="clean", line="Free the disk space of ended runs."
)
add_by_name(
    app,
    "deployments.cli.runs.features:features",
    name="features",
    line="List what a run can turn on.",
)
add_by_name(
    app, "deployments.cli.runs.open_run:open_", name="open", line="Show a run in the Prefect UI."
)
add_by_name(app, "deployments.cli.runs.show:tokens", name="tokens", line="Show what a run spent.")
add_by_name(
    app, "deployments.cli.ledger.metrics:metrics", name="metrics", line="Show what features did."
)
add_by_name(
    app, "deployments.cli.ledger.importing:import_", name="import", line="Import usage from a file."
)
add_by_name(app, "deployments.cli.ledger.usage:app", name="usage", line="Show what a period used.")
add_by_name(
    app,
    "deployments.cli.projects.builders:app",
    name="builders",
    line="See which coding agents can build here.",
)
add_by_name(
    app,
    "deployments.cli.projects.look:toolchain",
    name="toolchain",
    line="Show how a project is built.",
)
add_by_name(
    app,
    "deployments.cli.projects.show_context:context",
    name="context",
    line="Show the files that a builder would be shown.",
)
add_by_name(
    app,
    "deployments.cli.machine.chaos:chaos",
    name="chaos",
    line="Inject faults and check that nothing is lost.",
)
add_by_name(
    app, "deployments.cli.machine.health:health", name="health", line="Check this installation."
)
add_by_name(
    app,
    "deployments.cli.machine.up:up",
    name="up",
    line="Start a local Prefect with UI and worker.",
)
add_by_name(
    app,
    "deployments.cli.machine.down:down",
    name="down",
    line="End the Prefect server of this home.",
)
add_by_name(
    app,
    "deployments.cli.machine.deploy:deploy",
    name="deploy",
    line="Set up your Prefect server for runs.",
)
add_by_name(
    app,
    "deployments.cli.machine.worker:worker",
    name="worker",
    line="Run a Prefect worker.",
)

notify = App(name="notify", help="Tell people what happens.")
add_by_name(
    notify,
    "deployments.cli.machine.notify:send_test",
    name="test",
    line="Send one message, as a test.",
)
app.command(notify)
add_by_name(app, "deployments.cli.machine.api:app", name="api", line="Serve runs over HTTP.")

plan = App(name="plan", help="Write plan files, and look at them.")
add_by_name(
    plan, "deployments.cli.projects.plan_init:init", name="init", line="Write a first plan file."
)
add_by_name(plan, "deployments.cli.projects.look:check", name="check", line="Check a plan file.")
add_by_name(
    plan,
    "deployments.cli.projects.normalise:normalise",
    name=("normalise", "normalize"),
    line="Turn plain text into a plan.",
)
app.command(plan)

research = App(name="research", help="Answer questions by quotations that can be checked again.")
add_by_name(
    research,
    "deployments.cli.research.research_run:run",
    name="run",
    line="Answer questions about a repository.",
)
add_by_name(
    research,
    "deployments.cli.research.research_run:show",
    name="show",
    line="Show the report of a research phase again.",
)
add_by_name(
    research,
    "deployments.cli.research.research_verify:verify",
    name="verify",
    line="Check the citations of a report again.",
)
app.command(research)

review = App(name="review", help="What reviewers said of changes.")
add_by_name(
    review,
    "deployments.cli.runs.review_judge:judge_review",
    name="judge",
    line="Say that a rejection was right or wrong.",
)
app.command(review)

patterns = App(
    name="patterns", help="Known failures, and those that keep coming without being known."
)
add_by_name(
    patterns,
    "deployments.cli.patterns.patterns:list_patterns",
    name="list",
    line="List failure patterns.",
)
add_by_name(
    patterns,
    "deployments.cli.patterns.patterns:match",
    name="match",
    line="Show which pattern matches an error.",
)
add_by_name(
    patterns,
    "deployments.cli.patterns.patterns_expand:expand",
    name="expand",
    line="Turn what keeps failing into detectors for review.",
)
add_by_name(
    patterns,
    "deployments.cli.patterns.patterns_mine:mine",
    name="mine",
    line="Say what keeps failing that no pattern caught.",
)
add_by_name(
    patterns,
    "deployments.cli.patterns.patterns_group:group_",
    name="group",
    line="Group failure texts by what they say.",
)
for name, does in (
    ("hits", "List what patterns recognised in runs."),
    ("judge", "Say that a hit was right or wrong."),
    ("promote", "Promote a pattern by one step."),
    ("demote", "Demote a pattern by one step."),
    ("retire", "Retire a pattern."),
    ("history", "Show how a pattern came to its state."),
):
    add_by_name(patterns, f"deployments.cli.patterns.patterns_judge:{name}", name=name, line=does)
app.command(patterns)


budget = App(name="budget", help="Budgets that several runs share.")
add_by_name(
    budget,
    "deployments.cli.runs.budget:set_",
    name="set",
    line="Set the caps of a campaign; those not given are lifted.",
)
add_by_name(
    budget, "deployments.cli.runs.budget:show", name="show", line="Show what a campaign spent."
)
app.command(budget)

ab = App(name="ab", help="Measure whether a change to the agent saves tokens or raises success.")
add_by_name(
    ab,
    "deployments.cli.experiments.ab_run:run",
    name="run",
    line="Run an experiment's pairs until the evidence suffices.",
)
add_by_name(
    ab,
    "deployments.cli.experiments.ab:analyse",
    name=("analyse", "analyze"),
    line="Analyse pairs, and give the verdict with its uncertainty.",
)
add_by_name(
    ab,
    "deployments.cli.experiments.ab_selftest:selftest",
    name="selftest",
    line="Check the false-alarm rate on your own runs.",
)
add_by_name(
    ab,
    "deployments.cli.experiments.ab_power:power",
    name="power",
    line="Plan how many pairs a verdict needs.",
)
app.command(ab)

db = App(name="db", help="Look after the application database.")
add_by_name(
    db,
    "deployments.cli.machine.database:upgrade",
    name="upgrade",
    line="Bring the schema up to date.",
)
add_by_name(
    db,
    "deployments.cli.machine.database:check",
    name="check",
    line="Look for rows that contradict each other.",
)
_RETENTION = "deployments.cli.machine.retention"
add_by_name(db, f"{_RETENTION}:identity", name="identity", line="Show which database this is.")
add_by_name(db, f"{_RETENTION}:retain", name="retain", line="Archive the calls of old runs.")
app.command(db)

add_by_name(
    app,
    "deployments.cli.machine.completion:install_completion",
    name="--install-completion",
    line="Have the shell complete autopack's commands and options.",
)
