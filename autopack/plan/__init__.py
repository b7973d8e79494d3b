"""What a run shall do: the plan file, checked and ordered, and the features it turns on."""

from autopack.model.commands import (
    Command,
)
from autopack.model.features import Feature, kill_switches, resolve_features
from autopack.plan.load import is_plain_text, load_plan, parse_plan
from autopack.plan.plan import (
    DoctorMode,
    DriftMode,
    Models,
    OnSkip,
    PhaseBudget,
    PhaseSpec,
    Plan,
    Policy,
    RunBudget,
    Scope,
)

__all__ = [
    "Command",
    "DoctorMode",
    "DriftMode",
    "Feature",
    "Models",
    "OnSkip",
    "PhaseBudget",
    "PhaseSpec",
    "Plan",
    "Policy",
    "RunBudget",
    "Scope",
    "is_plain_text",
    "kill_switches",
    "load_plan",
    "parse_plan",
    "resolve_features",
]
