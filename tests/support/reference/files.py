"""The files that users write: plans, experiments, recordings and simulations."""

from __future__ import annotations

import inspect
import textwrap

from pydantic import BaseModel

from autopack.agents.recorded_call import RecordedCall
from autopack.experiments.design import definition
from autopack.plan import plan as plans
from autopack.plan.researching import ResearchSpec
from autopack.testing import recording as recordings
from autopack.testing import scripted_reviewer
from autopack.testing import simulation as simulations
from support.reference.declared import table


def _section(model: type[BaseModel]) -> str:
    return f"## {model.__name__}\n\n{_first_paragraph(model)}\n\n{table(model)}\n"


def _first_paragraph(thing: type) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("``", "`")


def plan_file() -> str:
    """The keys of a plan."""
    text = """
    # The plan file

    YAML or JSON. Unknown keys, duplicate ids, cycles, and absolute or `..` paths are errors
    that name the field and the line; `autopack plan check` lists all of them
    ([plans](../plans.md)). A command is one string, split as a shell would and run without a
    shell, or a list of arguments; write `sh -c '…'` where you want a shell. The command line
    beats the plan, the plan beats a block, a block beats the default.

    """
    models = (
        plans.Plan,
        plans.PhaseSpec,
        plans.Scope,
        plans.PhaseBudget,
        ResearchSpec,
        plans.RunBudget,
        plans.Policy,
        plans.Models,
    )
    return textwrap.dedent(text) + "\n".join(_section(model) for model in models)


def experiment_file() -> str:
    """The keys of an experiment."""
    text = """
    # The experiment file

    YAML or JSON, for `autopack ab run` ([experiments](../experiments.md)). What differs between
    `control` and `treatment` is the treatment; everything else has to be the same in both runs
    of a pair. Paths are beside the file.

    """
    models = (
        definition.Experiment,
        definition.ArmSpec,
        definition.ArmBudget,
        definition.DiscordantReplicates,
        definition.CampaignBudget,
    )
    return textwrap.dedent(text) + "\n".join(_section(model) for model in models)


def recording() -> str:
    """The keys of a recording."""
    text = """
    # The recording

    What the builder `script` replays: a folder with one file a phase, named `<phase id>.yaml`,
    `<phase id>.doctor.yaml` for the doctor `script` and `<phase id>.review.yaml` for the
    [reviewer](../review.md) `script`. A build that ended is never replayed again, so the second
    attempt gets the second build. The demo's is in `deployments/demo/recording`.

    """
    models = (
        recordings.PhaseRecording,
        recordings.RecordedBuild,
        recordings.Step,
        RecordedCall,
        scripted_reviewer.ReviewRecording,
        scripted_reviewer.RecordedReview,
        scripted_reviewer.RecordedFinding,
    )
    return textwrap.dedent(text) + "\n".join(_section(model) for model in models)


def simulation() -> str:
    """The keys of a simulation."""
    text = """
    # The simulation

    How the agent of the builder `simulated` behaves (`--set spec=FILE --set seed=N`). Every key
    may be unset. Wherever a distribution may stand, a plain number is that number. A build that
    succeeds writes `done` into every deliverable of its phase (or into `<phase>.txt`), any
    other writes `broken`, so `grep -q done FILE` is a check.

    """
    models = (simulations.Simulation, simulations.Distribution, simulations.Lognormal)
    return textwrap.dedent(text) + "\n".join(_section(model) for model in models)
