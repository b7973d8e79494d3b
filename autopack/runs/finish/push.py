"""Pushing a run to its remote as it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import stamina

from autopack.model.errors import BadInput, GitFailed
from autopack.runs.session.fetch import refs_of
from autopack.runs.session.session import RunSession
from autopack.store.runs import get_attempts, set_push_error
from autopack.workspace.remote import Remote


def push_run(session: RunSession, ending: threading.Event | None = None) -> str | None:
    """Push what the run has so far; return why that failed, after noting it with the run.

    A failure loses nothing: everything that is missing there goes along with the next push.
    No push outlives the lease, or ``ending``. Raises LeaseLost.
    """
    run = session.run()
    if run.push is None:
        return None
    error = None
    try:
        remote = Remote.named(run.push, session.mirror.source)
        attempts = get_attempts(session.db, session.run_id)
        mirror, fence = session.mirror, session.mirror.fence
        if ending is not None:
            is_over = _either(fence.is_lost, ending.is_set)
            mirror = mirror.fenced(replace(fence, is_lost=is_over))
        remote.push(mirror, session.run_id, run.base_commit, run.head_commit, refs_of(attempts))
    except (BadInput, GitFailed) as failed:
        error = session.redactor.text(failed.message)
    if error != run.push_error:
        session.transact(lambda conn: set_push_error(conn, session.lease, error))
    return error


def push_at_the_end(session: RunSession, *, tries: int) -> str | None:
    """Return the last push of a run: nobody would repeat it later. Returns why it failed."""
    for attempt in stamina.retry_context(
        on=_NotPushed, attempts=tries, wait_initial=2.0, timeout=None
    ):
        with attempt:
            error = push_run(session)
            if error is not None and attempt.num < tries:
                raise _NotPushed
            return error
    raise AssertionError("the last try returns")


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: one() or other()


class _NotPushed(Exception):
    pass
