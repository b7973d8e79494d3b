"""Every error a user can meet, with its exit code and what to do about it.

AutopackError
├── BadInput              a value the user gave is wrong (exit 2)
│   ├── PlanError         in a plan file; names the field and the line
│   │   └── SpecError     in an experiment file
│   ├── RepositoryError   the repository cannot be used
│   └── NotFound          no run, builder or file of that name
├── Refused               the request is sound, the moment is not (exit 2)
│   ├── RunHeld           another process works on the run
│   ├── SwitchedOff       a kill switch forbids it
│   └── DatabaseRefused   unreachable, or its schema is older or newer than the code
├── LeaseLost             this process no longer holds the run (exit 1)
├── IllegalTransition     a state may not follow another (exit 1)
└── WorkFailed            a step of a run failed for a reason outside the plan (exit 1)
    └── GitFailed         git refused a command
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class AutopackError(Exception):
    """An error that says what happened and what to do.

    ``field`` names the input at fault (a plan field, an option), ``hint`` the next step.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint

    def as_json(self) -> dict[str, str | None]:
        """Return the ``error`` object that every ``--json`` command prints on failure."""
        return {"kind": self.kind, "message": self.message, "field": self.field, "hint": self.hint}


class BadInput(AutopackError):
    """A value the user gave cannot be used."""

    kind = "bad_input"


class PlanProblem(NamedTuple):
    """One of the things that are wrong with a file."""

    message: str
    field: str | None
    line: int
    hint: str | None


class PlanError(BadInput):
    """A plan file is wrong; ``line`` counts from 1 where the plan came from a file.

    The message tells the first of ``problems``, which are all that were found, causes first.
    """

    kind = "plan"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        line: int | None = None,
        hint: str | None = None,
        problems: Sequence[PlanProblem] = (),
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.line = line
        self.problems = tuple(problems)


class SpecError(PlanError):
    """An experiment file is wrong; ``line`` counts from 1."""

    kind = "experiment"


class RepositoryError(BadInput):
    """The repository, or the commit asked for, cannot be used."""

    kind = "repository"


class NotFound(BadInput):
    """Nothing of that name exists."""

    kind = "not_found"


class Refused(AutopackError):
    """The request makes sense but may not be carried out now."""

    kind = "refused"


class RunHeld(Refused):
    """Another process holds the run; the message says which."""

    kind = "run_held"


class SwitchedOff(Refused):
    """A kill switch or a feature that is off forbids the request."""

    kind = "switched_off"


class DatabaseRefused(Refused):
    """The database is unreachable, or its schema does not fit this code."""

    kind = "database"


class LeaseLost(AutopackError):
    """This process no longer holds the run: another one took it over."""

    kind = "lease_lost"
    exit_code = 1


class IllegalTransition(AutopackError):
    """The transition table does not allow this change of state."""

    kind = "illegal_transition"
    exit_code = 1


class WorkFailed(AutopackError):
    """A step failed for a reason that lies outside the plan."""

    kind = "work_failed"
    exit_code = 1


class GitFailed(WorkFailed):
    """A git command failed; the message carries what git said."""

    kind = "git"
