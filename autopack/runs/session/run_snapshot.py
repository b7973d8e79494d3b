"""What the database says of a run that this process holds: read once, refreshed where written.

Nobody else writes these rows while the lease is held, but for what people answer, which is looked
at before each phase. What others change meanwhile (budgets, the lease) is read where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import sqlalchemy as sa

from autopack.ledger.events.usage_events import Lost, lost_of_run, phase_tokens
from autopack.model.ids import AttemptKey
from autopack.model.states import RunState
from autopack.store.approvals import Approval, get_approvals
from autopack.store.database.engine import Database, reading
from autopack.store.mitigations import Revision, get_revisions
from autopack.store.reading import ending_of, get_attempts, get_phases, get_run, telling_decisions
from autopack.store.rows import AttemptRow, DecisionRow, PhaseRow, RunRow


class Part(Enum):
    """What a transaction may change."""

    RUN = auto()
    PHASES = auto()
    ATTEMPTS = auto()
    DECISIONS = auto()
    REVISIONS = auto()
    APPROVALS = auto()


ALL: Collection[Part] = frozenset(Part)


@dataclass(frozen=True)
class RunSnapshot:
    """A run, its phases, and the attempts and decisions of the phase that is worked on.

    ``decisions`` also has those of other phases that end the run or let it continue.
    """

    run: RunRow
    phases: Sequence[PhaseRow]
    phase_id: str | None
    attempts: Sequence[AttemptRow]
    decisions: Sequence[DecisionRow]
    revisions: Sequence[Revision]
    approvals: Sequence[Approval]
    tokens: Mapping[str, int]
    lost: Mapping[str, Lost]
    """What the phases spent, and calls of theirs that did not tell, when it was read as a whole."""

    @classmethod
    def read(
        cls,
        source: Database | sa.Connection,
        run_id: str,
        choose: Callable[[Sequence[PhaseRow]], str | None],
    ) -> RunSnapshot:
        """Read a run; ``choose`` names the phase whose attempts are wanted."""
        with reading(source) as conn:
            phases = get_phases(conn, run_id)
            phase_id = choose(phases)
            return cls(
                run=get_run(conn, run_id),
                phases=phases,
                phase_id=phase_id,
                attempts=_attempts(conn, run_id, phase_id),
                decisions=telling_decisions(conn, run_id, phase_id),
                revisions=get_revisions(conn, run_id),
                approvals=get_approvals(conn, run_id),
                tokens=phase_tokens(conn, run_id),
                lost=lost_of_run(conn, run_id),
            )

    def refreshed(self, conn: sa.Connection, parts: Collection[Part]) -> RunSnapshot:
        """Read the ``parts`` again that the transaction of ``conn`` has changed."""
        run_id, phase_id = self.run.run_id, self.phase_id
        read: dict[Part, Callable[[], object]] = {
            Part.RUN: lambda: get_run(conn, run_id),
            Part.PHASES: lambda: get_phases(conn, run_id),
            Part.ATTEMPTS: lambda: _attempts(conn, run_id, phase_id),
            Part.DECISIONS: lambda: telling_decisions(conn, run_id, phase_id),
            Part.REVISIONS: lambda: get_revisions(conn, run_id),
            Part.APPROVALS: lambda: get_approvals(conn, run_id),
        }
        changes: dict[str, object] = {part.name.lower(): read[part]() for part in parts}
        return replace(self, **changes)  # pyright: ignore[reportArgumentType]

    @property
    def ending(self) -> tuple[RunState, str] | None:
        """The state in which a decision to stop ends the run, and why."""
        return ending_of(self.decisions)

    def phase(self, phase_id: str) -> PhaseRow:
        return next(one for one in self.phases if one.phase_id == phase_id)

    def attempt(self, key: AttemptKey) -> AttemptRow:
        return next(one for one in self.attempts if one.key == key)

    def revised(self, phase_id: str) -> str | None:
        """The instructions of a phase's last replan; None when the plan's are in force."""
        own = [one for one in self.revisions if one.phase_id == phase_id]
        return max(own, key=lambda one: one.revision).instructions if own else None

    def replans(self, phase_id: str) -> tuple[int, int]:
        """Return how often the phase was replanned, and how often any phase of the run."""
        return sum(one.phase_id == phase_id for one in self.revisions), len(self.revisions)

    @property
    def question(self) -> Approval | None:
        """The question that the run waits for; None when all are answered."""
        return next((one for one in self.approvals if one.answered_at is None), None)

    def is_approved(self, phase_id: str) -> bool:
        """Return whether a person has let the phase begin."""
        return any(
            one.kind == "phase"
            and one.phase_id == phase_id
            and one.approved
            and one.attempt is None
            for one in self.approvals
        )

    def accepted_by(self, attempt: AttemptRow) -> str | None:
        """Return who has accepted an attempt that no reviewer approved."""
        answers = (
            one.answered_by
            for one in self.approvals
            if (one.phase_id, one.attempt) == (attempt.phase_id, attempt.attempt) and one.approved
        )
        return next(answers, None)


def _attempts(conn: sa.Connection, run_id: str, phase_id: str | None) -> Sequence[AttemptRow]:
    return [] if phase_id is None else get_attempts(conn, run_id, phase_id)
