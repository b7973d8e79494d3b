"""Known failures: recognised without a model, and met with a proposal that can be carried out."""

from autopack.repair.patterns.failure_pattern import (
    AddMode,
    Evidence,
    FailurePattern,
    Match,
    Proposal,
)
from autopack.repair.patterns.pattern_registry import BUILTIN, matches, patterns

__all__ = [
    "BUILTIN",
    "AddMode",
    "Evidence",
    "FailurePattern",
    "Match",
    "Proposal",
    "matches",
    "patterns",
]
