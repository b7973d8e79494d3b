"""What an attempt is worth: its scope, its deliverables and its checks, and why it failed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import replace

from autopack.agents.protocol import BuildStatus, EndedBy
from autopack.environments.checks import FailedCheck, run_checks
from autopack.environments.environment import EnvironmentFailed, is_manifest
from autopack.model.causes import Failure, FailureCause
from autopack.model.commands import (
    Check,
)
from autopack.plan.plan import PhaseSpec, TestsMode
from autopack.repair.classify.classifier import classify_check
from autopack.repair.classify.provider_trouble import refusal
from autopack.runs.attempt.baseline import Judged, ignore_baseline_failures
from autopack.runs.attempt.committed_tree import LeftOut, left_out, only_committed
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from autopack.runs.spools.blame import failure_of
from autopack.runs.spools.record_build import readable
from autopack.runs.spools.snapshot import why_unrecorded
from autopack.runs.spools.spool import open_spool, spool_folder
from autopack.secrecy.redaction import Redactor
from autopack.store.runs import AttemptRow, Findings
from autopack.toolchains.detect import inferred_checks
from autopack.workspace.mirror import Change
from autopack.workspace.protected_tests import (
    PROTECTED,
    ChangedTest,
    changed_tests,
    unasked,
)
from autopack.workspace.scope import Violation, check_scope, missing_deliverables

_DIFF_BYTES = 200_000
_NAMED = 3
_NOT_RUN = (126, 127)


async def judge(
    session: RunSession,
    phase: PhaseSpec,
    attempt: AttemptRow,
    commit: str,
    checks: Sequence[Check],
) -> Failure | None:
    """Return what is wrong with ``commit``; None when it passes.

    Its checks see that commit and what setup makes, whatever else the agent left. Whatever its
    content raises while it is judged is the attempt's failure.
    """
    try:
        failure = await _judge(session, phase, attempt, commit, checks)
    except Exception as error:
        failure = failure_of(error, "judging what it made")
    return failure and _redacted(failure, session.redactor)


async def _judge(
    session: RunSession,
    phase: PhaseSpec,
    attempt: AttemptRow,
    commit: str,
    checks: Sequence[Check],
) -> Failure | None:
    mirror, head = session.mirror, session.head()
    if (unrecorded := why_unrecorded(session.snapshot(phase.id).decisions, attempt)) is not None:
        return Failure(FailureCause.UNUSABLE_CONTENT, unrecorded, unrecorded)
    changes = mirror.changed_paths(head, commit)
    left = await asyncio.to_thread(left_out, session, commit)
    tests = changed_tests(
        changes,
        before=lambda path: mirror.file_at(head, path),
        after=lambda path: mirror.file_at(commit, path),
    )
    session.findings[attempt.key] = Findings(
        [one.to_json() for one in left],
        [{**one.to_json(), "path": readable(one.path)} for one in tests],
    )
    provider = _provider_failure(attempt)
    if provider is not None and not mirror.changed_paths(attempt.base_commit, commit):
        # Nothing was built: what an earlier attempt left was judged then.
        return provider
    failure = None if changes else _judge_empty(phase, attempt)
    failure = failure or _judge_content(session, phase, commit, changes, tests)
    if failure is None:
        try:
            async with only_committed(session, commit):
                failure = await session.switch.guard(
                    _judge_by_checks(session, phase, attempt, commit, checks, changed=bool(changes))
                )
        except EnvironmentFailed as error:
            failure = await _judge_setup(session, error, changes)
    session.redactor.folder(spool_folder(session.folder, attempt.key))
    if failure is not None and failure.cause is not FailureCause.OUT_OF_SCOPE:
        # Work that the provider cut off need not pass; that was not the agent's doing.
        failure = (provider if _was_told(attempt) else None) or failure
    return failure and replace(failure, message=f"{failure.message}{_not_committed(left)}")


def _not_committed(left: Sequence[LeftOut]) -> str:
    named = [one.path for one in left if one.kind != "cache"]
    if not named:
        return ""
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"; not in the commit: {readable(', '.join(named[:_NAMED]))}{more}"


async def _judge_setup(
    session: RunSession, error: EnvironmentFailed, changes: Sequence[Change]
) -> Failure:
    """Return whose fault it is that setup fails at a commit: of a manifest that it changed, or
    nobody's.

    The environment is made again as the branch head needs it, for the next attempt.
    """
    try:
        session.environment = await prepare_environment(session)
    except EnvironmentFailed as again:
        return Failure(FailureCause.ENVIRONMENT, again.message, again.tail)
    words = {word for argv in session.plan.setup or () for part in argv for word in part.split()}
    to_blame = [c.path for c in changes if is_manifest(c.path) or c.path in words]
    cause = FailureCause.VALIDATION_FAILED if to_blame else FailureCause.ENVIRONMENT
    return Failure(cause, f"setup fails on this commit: {error.message}", error.tail)


def _redacted(failure: Failure, redactor: Redactor) -> Failure:
    return replace(
        failure,
        message=redactor.text(failure.message),
        output=redactor.text(failure.output),
        log=redactor.text(failure.log),
    )


def _provider_failure(attempt: AttemptRow) -> Failure | None:
    """Return why the provider is to blame for how the build ended; None when it is not."""
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
    """Return whether the provider's fault is a fact, and not read from words that may mean
    another.
    """
    return attempt.ended_by == EndedBy.PROVIDER


def _judge_empty(phase: PhaseSpec, attempt: AttemptRow) -> Failure | None:
    """Return what an attempt that changed nothing amounts to; None when only its checks can say."""
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
    session: RunSession,
    phase: PhaseSpec,
    commit: str,
    changes: tuple[Change, ...],
    tests: Sequence[ChangedTest],
) -> Failure | None:
    there = session.mirror.paths(session.run().base_commit)
    violations = check_scope(
        changes,
        phase.scope.paths,
        phase.scope.read_only,
        read_link=lambda path: session.mirror.read_link(commit, path),
        there=there,
    )
    if session.plan.policy.tests is TestsMode.PROTECT:
        refused = unasked(tests, (*phase.deliverables, *phase.scope.paths))
        violations += [Violation(one.path, PROTECTED) for one in refused]
    if violations:
        lines = [readable(f"{violation.path}: {violation.reason}") for violation in violations]
        return Failure(
            FailureCause.OUT_OF_SCOPE, f"outside the scope: {lines[0]}", "\n".join(lines)
        )
    if phase.deliverables:
        missing = missing_deliverables(
            session.mirror.paths(commit), phase.deliverables, there=there
        )
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
    variables = session.variables(attempt.key)
    spool = open_spool(session.folder, attempt.key)
    seconds = session.seconds_left(phase)
    judged = Judged(attempt.key, commit, variables, spool / "base.log", seconds)
    ignored = functools.partial(ignore_baseline_failures, session, judged=judged)
    failed = await run_checks(
        checks,
        workspace=session.workspace.path,
        environment=variables,
        supervisor=session.supervisor,
        spool=spool / "validation.log",
        seconds=seconds,
        # What a plan names must succeed, and so must an attempt that changed nothing.
        ignore=ignored if phase.checks is None and changed else None,
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
    """Return the commands that judge a phase: its own, else those of the project's toolchains."""
    if phase.checks is None:
        return inferred_checks(session.toolchains)
    return tuple(Check(".", argv) for argv in phase.checks)
