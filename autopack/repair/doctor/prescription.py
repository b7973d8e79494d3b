"""What a doctor's answer orders, once what may not be carried out is taken from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from autopack.model.commands import Command
from autopack.repair.doctor.doctor import Answer, DoctorAction

_SHORTEST_COMMIT = 7


@dataclass(frozen=True)
class Prescription:
    """What a doctor wants done; ``text`` is a hint or new instructions, ``commit`` a commit.

    ``commands`` are those of a fix. ``refused`` says why its order was not taken, which then
    became another attempt.
    """

    action: DoctorAction
    reason: str
    text: str = ""
    commit: str = ""
    commands: tuple[Command, ...] = ()
    refused: str | None = None


def prescribe(
    answer: Answer, *, allowed: Collection[Command] = (), commits: Collection[str] = ()
) -> Prescription:
    """Return what ``answer`` orders; another attempt with its hint where the order is refused.

    ``allowed`` are the commands that a fix may run, ``commits`` those that the run may go back to.
    """
    commands = tuple(answer.commands)
    commit, refused = answer.commit, None
    match answer.action:
        case DoctorAction.EXECUTE_FIX:
            strange = [argv for argv in commands if argv not in allowed]
            if strange or not commands:
                refused = f"execute_fix refused: {strange or 'no command'}"
        case DoctorAction.ROLLBACK_RUN:
            commit = _named(answer.commit, commits) or ""
            if not commit:
                refused = f"rollback refused: no commit {answer.commit!r}"
        case DoctorAction.REPLAN:
            if not answer.hint.strip():
                refused = "replan refused: no new instructions"
        case _:
            pass
    reason = f"doctor: {answer.rationale}"
    if refused is not None:
        return Prescription(DoctorAction.RETRY_WITH_FIX, reason, answer.hint, refused=refused)
    return Prescription(answer.action, reason, answer.hint, commit, commands)


def _named(abbreviated: str, commits: Collection[str]) -> str | None:
    """Return the one commit that ``abbreviated`` begins; None when it is none, or not clearly."""
    found = [commit for commit in commits if commit.startswith(abbreviated)]
    return found[0] if len(found) == 1 and len(abbreviated) >= _SHORTEST_COMMIT else None
