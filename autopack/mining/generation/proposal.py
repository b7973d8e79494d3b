"""Which mitigation the history of a failure suggests; a proposal for people, never in force."""

from __future__ import annotations

from autopack.mining.stored.recurring import Recurring

_ENOUGH = 5


def proposed(found: Recurring) -> tuple[str, str]:
    """Return the name of a mitigation and why it is proposed."""
    after = found.ended_by
    phases = after.passed + after.not_passed
    if phases >= _ENOUGH and after.passed == 0:
        return (
            "stop_retrying",
            f"none of {phases} phases passed later, whatever was tried after it",
        )
    if after.passed and after.changed_files == 0:
        return "rerun_once", "the attempts that passed later changed nothing"
    if after.passed:
        return (
            "hint",
            f"in {after.passed} of {phases} phases a later attempt passed, which changed"
            f" {after.changed_files} files in the median",
        )
    return "none", "there is too little history to propose anything"
