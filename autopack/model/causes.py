"""Why attempts fail, and the one read-only table that says what each cause allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from autopack.model.commands import (
    Check,
)
from autopack.model.states import RunState


class FailureCause(StrEnum):
    """What ended an attempt without success."""

    PATCH_CONFLICT = "patch_conflict"
    EMPTY_CHANGE = "empty_change"
    UNUSABLE_CONTENT = "unusable_content"
    OUT_OF_SCOPE = "out_of_scope"
    DELIVERABLE_MISSING = "deliverable_missing"
    COLLECTION_ERROR = "collection_error"
    ASSERTION_FAILURE = "assertion_failure"
    SYNTAX_ERROR = "syntax_error"
    IMPORT_ERROR = "import_error"
    TYPE_ERROR = "type_error"
    RUNTIME_ERROR = "runtime_error"
    LINT_ERROR = "lint_error"
    VALIDATION_FAILED = "validation_failed"
    TIMEOUT = "timeout"
    PROVIDER_ERROR = "provider_error"
    RATE_LIMIT = "rate_limit"
    PROVIDER_REFUSED = "provider_refused"
    REVIEW_REJECTED = "review_rejected"
    BUILDER_ERROR = "builder_error"
    ENVIRONMENT = "environment"


@dataclass(frozen=True)
class CausePolicy:
    """What may follow a cause.

    ``retry``: another attempt may help. ``keeps_work``: the change was in scope, so the next
    attempt may continue from its tree instead of the branch head. ``infrastructure``: the agent
    is not to blame, so the attempt says nothing about it. ``waits``: it passes by itself, so the
    run waits within its minutes. ``counts``: the attempt is used up. ``opinion``: a model says so
    and no program, so that there is no output for patterns to recognise. ``ends``: the run's state
    when nothing more may be tried.
    """

    retry: bool = True
    keeps_work: bool = False
    infrastructure: bool = False
    waits: bool = False
    counts: bool = True
    opinion: bool = False
    ends: RunState = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW


_IN_SCOPE = CausePolicy(keeps_work=True)
_REDO = CausePolicy()
_OUTAGE = CausePolicy(
    # A build that the provider cut off may have come far.
    keeps_work=True,
    infrastructure=True,
    waits=True,
    counts=False,
    ends=RunState.DONE_FAILED_ENVIRONMENT,
)
_INFRASTRUCTURE = CausePolicy(infrastructure=True, ends=RunState.DONE_FAILED_ENVIRONMENT)
# Who resumes the run once that is put right finds the work where it was.
_REFUSED = CausePolicy(
    retry=False,
    keeps_work=True,
    infrastructure=True,
    counts=False,
    ends=RunState.DONE_FAILED_ENVIRONMENT,
)
_BROKEN = CausePolicy(
    retry=False,
    keeps_work=True,
    infrastructure=True,
    ends=RunState.DONE_FAILED_ENVIRONMENT,
)

POLICIES: Mapping[FailureCause, CausePolicy] = MappingProxyType(
    {
        FailureCause.PATCH_CONFLICT: _REDO,
        FailureCause.EMPTY_CHANGE: _REDO,
        FailureCause.UNUSABLE_CONTENT: _REDO,
        FailureCause.OUT_OF_SCOPE: CausePolicy(ends=RunState.DONE_FAILED_POLICY_VIOLATION),
        FailureCause.DELIVERABLE_MISSING: _IN_SCOPE,
        FailureCause.COLLECTION_ERROR: _IN_SCOPE,
        FailureCause.ASSERTION_FAILURE: _IN_SCOPE,
        FailureCause.SYNTAX_ERROR: _IN_SCOPE,
        FailureCause.IMPORT_ERROR: _IN_SCOPE,
        FailureCause.TYPE_ERROR: _IN_SCOPE,
        FailureCause.RUNTIME_ERROR: _IN_SCOPE,
        FailureCause.LINT_ERROR: _IN_SCOPE,
        FailureCause.VALIDATION_FAILED: _IN_SCOPE,
        FailureCause.TIMEOUT: _IN_SCOPE,
        FailureCause.PROVIDER_ERROR: _OUTAGE,
        FailureCause.RATE_LIMIT: _OUTAGE,
        FailureCause.PROVIDER_REFUSED: _REFUSED,
        FailureCause.REVIEW_REJECTED: CausePolicy(keeps_work=True, opinion=True),
        FailureCause.BUILDER_ERROR: _INFRASTRUCTURE,
        FailureCause.ENVIRONMENT: _BROKEN,
    }
)


@dataclass(frozen=True)
class Failure:
    """One attempt's failure: its cause, one line for people, and the real output behind it.

    Where a check failed, ``check`` is that command, ``exit_status`` what it returned, and ``log``
    the head and tail of what it printed; ``output`` is only the end.
    """

    cause: FailureCause
    message: str
    output: str = ""
    check: Check | None = None
    exit_status: int | None = None
    log: str = ""
