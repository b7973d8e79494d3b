"""What an attempt is worth: its scope, its deliverables and its checks, and why it failed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from autopack.builders.protocol import BuildStatus, EndedBy
from autopack.execution.closing import readable
from autopack.execution.forgiving import forgive
from autopack.execution.session import RunSession
from autopack.execution.spool import open_spool, spool_folder
from autopack.plan.model import PhaseSpec
from autopack.recovery.causes import Failure, FailureCause
from autopack.recovery.classify import classify_check
from autopack.recovery.providers import refusal
from autopack.redaction import Redactor
from autopack.store.runs import AttemptRow
from autopack.validation.checks import FailedCheck, run_checks
from autopack.validation.detect import inferred_checks
from autopack.validation.toolchains.base import Check
from autopack.workspace.mirror import Change
from autopack.workspace.scope import check_scope, missing_deliverables

_DIFF_BYTES = 200_000
_NOT_RUN = (126, 127)


async def judge(
    session: RunSession,
    phase: PhaseSpec,
    attempt: AttemptRow,
    commit: str,
    checks: Sequence[Check],
) -> Failure | None:
    """What is wrong with ``commit``, whose files are in the workspace; None when it passes."""
    changes = session.mirror.changed_paths(session.head(), commit)
    provider = _provider_failure(attempt)
    if provider is not None and not session.mirror.changed_paths(attempt.base_commit, commit):
        # Nothing was built: what an earlier attempt left was judged then.
        return _redacted(provider, session.redactor)
    if not changes and (empty := _judge_empty(phase, attempt)) is not None:
        return _redacted(empty, session.redactor)
    failure = _judge_content(session, phase, commit, changes)
    if failure is None:
        failure = await session.switch.guard(
            _judge_by_checks(session, phase, attempt, commit, checks, changed=bool(changes))
        )
    session.redactor.folder(spool_folder(session.folder, phase.id, attempt.attempt))
    if failure is not None and failure.cause is not FailureCause.OUT_OF_SCOPE:
        # Work that the provider cut off need not pass; that was not the agent's doing.
        failure = (provider if _was_told(attempt) else None) or failure
    return failure and _redacted(failure, session.redactor)


def _redacted(failure: Failure, redactor: Redactor) -> Failure:
    return replace(
        failure,
        message=redactor.text(failure.message),
        output=redactor.text(failure.output),
        log=redactor.text(failure.log),
    )


def _provider_failure(attempt: AttemptRow) -> Failure | None:
    """Why the provider is to blame for how the build ended; None when it is not."""
    if attempt.build_cause is None:
        return None
    cause = FailureCause(attempt.build_cause)
    said = attempt.summary or "the provider gave no answer"
    if cause is FailureCause.PROVIDER_REFUSED:
        return Failure(cause, refusal(said, attempt.http_status), said)
    if attempt.build_status == BuildStatus.TIMED_OUT:
        return Failure(cause, f"the build {said}, and the provider gave no answer", said)
    return Failure(cause, said, said)


def _was_told(attempt: AttemptRow) -> bool:
    """Whether the provider's fault is a fact, and not read from words that may mean another."""
    return attempt.ended_by == EndedBy.PROVIDER


def _judge_empty(phase: PhaseSpec, attempt: AttemptRow) -> Failure | None:
    """What an attempt that changed nothing amounts to; None when only its checks can say."""
    said = attempt.summary or ""
    if attempt.exit_status in _NOT_RUN:
        return Failure(FailureCause.ENVIRONMENT, f"the builder was not run: {said}", said)
    if attempt.build_status == BuildStatus.FAILED:
        return Failure(FailureCause.BUILDER_ERROR, said or "the builder failed", said)
    if attempt.build_status == BuildStatus.TIMED_OUT:
        words = said or "ran out of time"
        return Failure(FailureCause.TIMEOUT, f"the build {words} and changed nothing", said)
    if phase.deliverables:
        return Failure(
            FailureCause.EMPTY_CHANGE,
            f"nothing was changed, but {', '.join(phase.deliverables)} was to be delivered",
            said,
        )
    return None


def _judge_content(
    session: RunSession, phase: PhaseSpec, commit: str, changes: tuple[Change, ...]
) -> Failure | None:
    violations = check_scope(
        changes,
        phase.scope.paths,
        phase.scope.read_only,
        read_link=lambda path: session.mirror.read_link(commit, path),
    )
    if violations:
        lines = [readable(f"{violation.path}: {violation.reason}") for violation in violations]
        return Failure(
            FailureCause.OUT_OF_SCOPE, f"outside the scope: {lines[0]}", "\n".join(lines)
        )
    if phase.deliverables:
        missing = missing_deliverables(session.mirror.paths(commit), phase.deliverables)
        if missing:
            return Failure(FailureCause.DELIVERABLE_MISSING, f"not delivered: {', '.join(missing)}")
    return None


async def _judge_by_checks(
    session: RunSession,
    phase: PhaseSpec,
    attempt: AttemptRow,
    commit: str,
    checks: Sequence[Check],
    *,
    changed: bool,
) -> Failure | None:
    variables = session.variables(phase.id, attempt.attempt)
    spool = open_spool(session.folder, phase.id, attempt.attempt)
    seconds = session.seconds_left(phase)
    forgiven = functools.partial(
        forgive,
        session,
        phase_id=phase.id,
        attempt=attempt.attempt,
        commit=commit,
        variables=variables,
        spool=spool / "base.log",
        seconds=seconds,
    )
    failed = await run_checks(
        checks,
        workspace=session.workspace.path,
        environment=variables,
        supervisor=session.supervisor,
        spool=spool / "validation.log",
        seconds=seconds,
        # What a plan names must succeed, and who changed nothing has earned no forgiveness.
        forgive=forgiven if phase.checks is None and changed else None,
    )
    if failed is None:
        return None
    diff = session.mirror.diff(session.head(), commit, _DIFF_BYTES)
    return Failure(
        _of_check(failed, diff),
        failed.message,
        failed.output,
        check=failed.check,
        exit_status=failed.status,
        log=failed.log,
    )


def _of_check(failed: FailedCheck, diff: str) -> FailureCause:
    if failed.timed_out:
        return FailureCause.TIMEOUT
    cause = classify_check(exit_status=failed.status, output=failed.log, diff=diff).cause
    # A program of the repository's own that is not there is the agent's to make.
    own = "/" in failed.check.argv[0]
    return FailureCause.RUNTIME_ERROR if own and cause is FailureCause.ENVIRONMENT else cause


def phase_checks(session: RunSession, phase: PhaseSpec) -> tuple[Check, ...]:
    """The commands that judge a phase: its own, else those of the project's toolchains."""
    if phase.checks is None:
        return inferred_checks(session.toolchains)
    return tuple(Check(".", argv) for argv in phase.checks)
