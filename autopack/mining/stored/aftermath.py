"""What came after failed attempts: what was decided, and whether a later attempt passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from autopack.model.states import AttemptState
from autopack.store.tables import attempts, consultations, decisions


@dataclass(frozen=True)
class EndedBy:
    """What followed on the errors of a signature.

    ``passed`` of its phases had a later attempt that passed, ``not_passed`` had none. ``decisions``
    and ``doctor`` count what was decided after its attempts, ``changed_files`` is the median number
    of files that the passing attempts changed; None where nothing passed.
    """

    passed: int
    not_passed: int
    decisions: Mapping[str, int]
    doctor: Mapping[str, int]
    changed_files: int | None


@dataclass(frozen=True)
class Followed:
    """Passing attempts by phase, with the files that they changed; decisions by attempt."""

    passed: Mapping[tuple[str, str], Sequence[tuple[int, int]]]
    decided: Mapping[tuple[str, str, int], str]
    doctor: Mapping[tuple[str, str, int], str]

    @classmethod
    def read(cls, conn: sa.Connection, ours: sa.Select[tuple[str]]) -> Followed:
        """Return what came after the attempts of the runs that ``ours`` selects."""
        passed: dict[tuple[str, str], list[tuple[int, int]]] = {}
        rows = conn.execute(
            sa.select(
                attempts.c.run_id, attempts.c.phase_id, attempts.c.attempt, attempts.c.changed_paths
            )
            .where(attempts.c.state == AttemptState.PASSED, attempts.c.run_id.in_(ours))
            .order_by(attempts.c.attempt)
        )
        for run_id, phase_id, attempt, paths in rows:
            passed.setdefault((run_id, phase_id), []).append((attempt, len(paths or ())))
        decided = {
            (run_id, phase_id, attempt): kind
            for run_id, phase_id, attempt, kind in conn.execute(
                sa.select(
                    decisions.c.run_id, decisions.c.phase_id, decisions.c.attempt, decisions.c.kind
                )
                .where(decisions.c.run_id.in_(ours))
                .order_by(decisions.c.id)
            )
        }
        doctor = {
            (run_id, phase_id, attempt): action
            for run_id, phase_id, attempt, action in conn.execute(
                sa.select(
                    consultations.c.run_id,
                    consultations.c.phase_id,
                    consultations.c.attempt,
                    consultations.c.action,
                )
                .where(consultations.c.run_id.in_(ours))
                .order_by(consultations.c.id)
            )
        }
        return cls(passed, decided, doctor)

    def of(self, failed: Sequence[tuple[str, str, int]]) -> EndedBy:
        """Return what came after these attempts."""
        last: dict[tuple[str, str], int] = {}
        for run_id, phase_id, attempt in failed:
            last[run_id, phase_id] = max(attempt, last.get((run_id, phase_id), 0))
        changed: list[int] = []
        for phase, attempt in last.items():
            later = [files for number, files in self.passed.get(phase, ()) if number > attempt]
            changed += later[:1]
        return EndedBy(
            passed=len(changed),
            not_passed=len(last) - len(changed),
            decisions=Counter(self.decided[one] for one in failed if one in self.decided),
            doctor=Counter(self.doctor[one] for one in failed if one in self.doctor),
            changed_files=sorted(changed)[len(changed) // 2] if changed else None,
        )
