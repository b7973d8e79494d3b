"""Fault injection for tests: a process kills or stops itself at a durable step.

AUTOPACK_FAILPOINT=`kill before attempt-started` ends the process just before it would start an
attempt, as SIGKILL and a power cut of its machine do; `stop after branch-moved 2` freezes it just
after it moved a branch for the second time, as SIGSTOP and the suspension of a virtual machine do.
Whatever a run leaves behind at any of these moments, the next holder must make good. Without the
variable a step costs a look at one name.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager
from enum import StrEnum

from autopack.model.errors import BadInput
from autopack.settings import FAILPOINT

VARIABLE = FAILPOINT.name


class Step(StrEnum):
    """Every step of a run after which something is on disk, or paid, that was not before."""

    RUN_STORED = "run-stored"
    """The run, its plan and who stored it."""
    LEASE_TAKEN = "lease-taken"
    """The holder and its token."""
    RUN_ENTERED = "run-entered"
    """The run is under way, with its toolchains and what it started from."""
    ENVIRONMENT_NOTED = "environment-noted"
    """What the run's environment was made from: it is not made again."""
    ATTEMPT_STARTED = "attempt-started"
    """The attempt, the intent of its call and the budget reserved for it."""
    BUILD_PAID = "build-paid"
    """The builder worked: its calls are in the spool, its work in the checkout."""
    BUILD_NOTED = "build-noted"
    """That the build ended: from here it is not paid for again."""
    ATTEMPT_COMMITTED = "attempt-committed"
    """Its work, under the attempt's ref."""
    ATTEMPT_BUILT = "attempt-built"
    """Its calls in the ledger and its commit in the database, in one transaction."""
    MITIGATION_COMMITTED = "mitigation-committed"
    """The attempt's ref at the work with a known failure fixed."""
    MITIGATION_STORED = "mitigation-stored"
    """What was fixed, and the attempt's new commit."""
    DOCTOR_ASKED = "doctor-asked"
    """The intent of a doctor's call."""
    DOCTOR_PAID = "doctor-paid"
    """The doctor answered: only this process knows it."""
    DOCTOR_COUNTED = "doctor-counted"
    """The call in the ledger, no matter who holds the run by then."""
    DOCTOR_ANSWERED = "doctor-answered"
    """What was answered."""
    RESEARCH_ASKED = "research-asked"
    """The intent of a call of research."""
    RESEARCH_PAID = "research-paid"
    """The model answered, and that is noted in the run's folder."""
    RESEARCH_COUNTED = "research-counted"
    """The call in the ledger, and its answer: nobody asks that again."""
    RESEARCH_CONCLUDED = "research-concluded"
    """The report, and that the phase is complete."""
    REVIEW_ASKED = "review-asked"
    """The intent of a reviewer's call."""
    REVIEW_PAID = "review-paid"
    """The reviewer replied, and its words are on disk: from here it is not paid for again."""
    REVIEW_COUNTED = "review-counted"
    """The call in the ledger, and what it came to, in one transaction."""
    ATTEMPT_CONCLUDED = "attempt-concluded"
    """The verdict, what follows from it, and the run's head."""
    PUSHED = "pushed"
    """The refs in the remote."""
    ENDING_NOTED = "ending-noted"
    """Where the run ends, and at which head."""
    BRANCH_MOVED = "branch-moved"
    """The branch in the user's repository, and the mirror's note of it."""
    RUN_CLOSED = "run-closed"
    """The final state."""
    CHECKOUT_REMOVED = "checkout-removed"
    """The checkout and the environment are gone."""
    LEASE_RELEASED = "lease-released"
    """Nobody holds the run."""


def durable(step: Step) -> AbstractContextManager[None]:
    """Mark a durable step: the block takes it."""
    return _planned[0].around(step) if _planned else _OFF


class _Fault:
    """One fault that is to happen, and how often its step was taken so far."""

    def __init__(self, text: str) -> None:
        action, moment, step, *rest = [*text.split(), "", "", ""]
        if action not in ("kill", "stop") or moment not in ("before", "after"):
            raise BadInput(
                f"{VARIABLE} is {text!r}",
                field=VARIABLE,
                hint="such as `kill before attempt-started` or `stop after pushed 2`",
            )
        self._signal = signal.SIGKILL if action == "kill" else signal.SIGSTOP
        self._moment, self._step = moment, Step(step)
        self._left = int(rest[0] or 1)

    @contextlib.contextmanager
    def around(self, step: Step) -> Generator[None]:
        if step is not self._step:
            yield
            return
        self._left -= 1
        if self._left == 0 and self._moment == "before":
            self._strike()
        yield
        if self._left == 0 and self._moment == "after":
            self._strike()

    def _strike(self) -> None:
        # To this thread, which then does nothing more; all others stop or end with it.
        signal.pthread_kill(threading.get_ident(), self._signal)


_OFF = contextlib.nullcontext()
_planned = [_Fault(text)] if (text := FAILPOINT.of()) else []


def plan(text: str) -> None:
    """Have this process fail at a step, as the variable would; nowhere when ``text`` is empty."""
    _planned[:] = [_Fault(text)] if text else []
