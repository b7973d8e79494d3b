"""The facts about an attempt that what follows it is decided from: plain values, read by others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from autopack.model.budget import Exhausted
from autopack.model.causes import Failure
from autopack.model.commands import Check, Command
from autopack.repair.doctor.doctor import Answer
from autopack.repair.doctor.routing import Consultation, DoctorTier
from autopack.repair.review.reviewer import Verdict


@dataclass(frozen=True)
class History:
    """The attempts of a phase so far: those used up, this one included, and how many are allowed.

    ``replans`` counts those of the phase and of the whole run. ``outage`` is how long the
    provider has been in trouble, ``patience`` how long the run may wait for it, in seconds;
    ``pause`` is the wait before the next build while it is.
    """

    ended: int
    allowed: int
    replans: tuple[int, int] = (0, 0)
    outage: float = 0.0
    patience: float = math.inf
    pause: float = 0.0


@dataclass(frozen=True)
class Tried:
    """A mitigation of the attempt that was tried, and whether the failure was gone after it.

    ``stops``: it says that no further attempt at the phase helps.
    """

    pattern_id: str
    helped: bool
    stops: bool = False


@dataclass(frozen=True)
class RepairState:
    """How an attempt stands while its failure is met without another build.

    ``failure`` is what is left of it, None once the attempt passes; ``first`` is what the build
    left. ``checks`` judge the attempt where a mitigation replaced one of the phase's. What was
    ``tried``, whether a doctor was ``unanswered``, and whether its fix was run (``fix_ran``).
    """

    failure: Failure | None
    first: Failure | None = None
    checks: tuple[Check, ...] | None = None
    tried: tuple[Tried, ...] = ()
    unanswered: bool = False
    fix_ran: bool = False

    @classmethod
    def of(cls, failure: Failure | None) -> RepairState:
        """Return the state of an attempt that was judged and not touched since."""
        return cls(failure, first=failure)

    def mitigated(self, by: Tried, left: Failure | None, checks: tuple[Check, ...]) -> RepairState:
        """Return the state after a mitigation."""
        return replace(self, failure=left, checks=checks, tried=(*self.tried, by))


@dataclass(frozen=True)
class DoctorFacts:
    """What there is to ask a doctor about, and what it said of this very failure.

    ``answer`` is its last one, by the doctor ``tier``. ``allowed`` are the commands that a fix
    may run, ``commits`` those that the run may go back to.
    """

    consultation: Consultation
    answer: Answer | None = None
    tier: DoctorTier | None = None
    allowed: tuple[Command, ...] = ()
    commits: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReviewFacts:
    """What a reviewer has said of an attempt that passes its checks.

    ``verdict`` is about its very commit, None where that was not reviewed; ``rounds`` are the
    reviews of the phase so far. ``required``: without an approval a person decides, and
    ``accepted`` is who has accepted this attempt.
    """

    rounds: int = 0
    verdict: Verdict | None = None
    why: str = ""
    required: bool = False
    accepted: str | None = None


@dataclass(frozen=True)
class Facts:
    """Everything that what follows an attempt depends on.

    ``changed``: whether its commit differs from what the branch had.
    ``exhausted`` is the first cap that leaves no room for another build, ``ask_at_cap`` whether a
    person is asked for more then. ``mitigates`` is the feature's switch, ``possible`` the ids of
    the patterns that recognise the failure, best first. ``doctor`` and ``review`` are None
    where the plan has none.
    """

    repair: RepairState
    history: History = History(0, 1)
    exhausted: Exhausted | None = None
    ask_at_cap: bool = False
    mitigates: bool = False
    possible: tuple[str, ...] = ()
    doctor: DoctorFacts | None = None
    review: ReviewFacts | None = None
    changed: bool = True
