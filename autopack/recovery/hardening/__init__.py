"""Known failures: recognised without a model, and met with a proposal that can be carried out."""

from autopack.recovery.hardening.protocol import (
    AddMode,
    Evidence,
    FailurePattern,
    Match,
    Proposal,
)
from autopack.recovery.hardening.registry import BUILTIN, matches, patterns

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
