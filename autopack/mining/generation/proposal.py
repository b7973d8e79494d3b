"""Which mitigation the history of a failure suggests; what it is worth is measured later."""

from __future__ import annotations

from autopack.mining.stored.recurring import Recurring

_ENOUGH = 5


def proposed(found: Recurring) -> tuple[str, str]:
    """Return the name of a mitigation and why it is proposed."""
    after = found.ended_by
    phases = after.passed + after.not_passed
    if after.retried >= _ENOUGH and after.passed == 0:
        return (
            "stop_retrying",
            f"none of the {after.retried} phases passed that were tried again after it",
        )
    if after.passed and after.changed_files == 0:
        return "rerun_once", "the attempts that passed later changed nothing"
    if after.passed and after.changed_paths:
        return (
            "hint",
            f"this failure was seen in {found.count} attempts; in {after.passed} of {phases} phases"
            f" a later attempt passed, and most of those changed {', '.join(after.changed_paths)}",
        )
    return "none", "there is too little history to propose anything"
