"""What a run shall do: the plan file, checked and ordered, and the features it turns on."""

from autopack.plan.features import Feature, kill_switches, resolve_features
from autopack.plan.load import is_plain_text, load_plan, parse_plan
from autopack.plan.model import (
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
from autopack.plan.values import Command

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
