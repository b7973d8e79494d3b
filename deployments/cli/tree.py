"""The tree of `autopack`'s commands.

Commands are named, not imported, so that `autopack --help` stays quick.
"""

from __future__ import annotations

from cyclopts import App

from autopack import __version__

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
budget.command(
    "deployments.cli.runs.budget:set_",
    name="set",
    help="Set the caps of a campaign; those not given are lifted.",
)
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

app.command(
    "deployments.cli.machine.completion:install_completion",
    name="--install-completion",
    help="Have the shell complete autopack's commands and options.",
)
