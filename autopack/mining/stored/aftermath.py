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

    ``passed`` of its phases had a later attempt that passed, ``not_passed`` had none; ``retried``
    had a later attempt at all. ``decisions`` and ``doctor`` count what was decided after its
    attempts, ``changed_files`` is the median number of files that the passing attempts changed;
    None where nothing passed. ``changed_paths`` are files that more than half of them changed,
    where at least two did.
    """

    passed: int
    not_passed: int
    decisions: Mapping[str, int]
    doctor: Mapping[str, int]
    changed_files: int | None
    changed_paths: tuple[str, ...] = ()
    retried: int = 0


@dataclass(frozen=True)
class Followed:
    """Passing attempts by phase, with the files that they changed; decisions by attempt."""

    passed: Mapping[tuple[str, str], Sequence[tuple[int, Sequence[str]]]]
    last: Mapping[tuple[str, str], int]
    decided: Mapping[tuple[str, str, int], str]
    doctor: Mapping[tuple[str, str, int], str]

    @classmethod
    def read(cls, conn: sa.Connection, ours: sa.Select[tuple[str]]) -> Followed:
        """Return what came after the attempts of the runs that ``ours`` selects."""
        passed: dict[tuple[str, str], list[tuple[int, Sequence[str]]]] = {}
        rows = conn.execute(
            sa.select(
                attempts.c.run_id, attempts.c.phase_id, attempts.c.attempt, attempts.c.changed_paths
            )
            .where(attempts.c.state == AttemptState.PASSED, attempts.c.run_id.in_(ours))
            .order_by(attempts.c.attempt)
        )
        for run_id, phase_id, attempt, paths in rows:
            passed.setdefault((run_id, phase_id), []).append((attempt, paths or ()))
        ended = (AttemptState.PASSED, AttemptState.FAILED)
        last = {
            (run_id, phase_id): attempt
            for run_id, phase_id, attempt in conn.execute(
                sa.select(attempts.c.run_id, attempts.c.phase_id, sa.func.max(attempts.c.attempt))
                .where(attempts.c.state.in_(ended), attempts.c.run_id.in_(ours))
                .group_by(attempts.c.run_id, attempts.c.phase_id)
            )
        }
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
        return cls(passed, last, decided, doctor)

    def of(self, failed: Sequence[tuple[str, str, int]]) -> EndedBy:
        """Return what came after these attempts."""
        last: dict[tuple[str, str], int] = {}
        first: dict[tuple[str, str], int] = {}
        for run_id, phase_id, attempt in failed:
            last[run_id, phase_id] = max(attempt, last.get((run_id, phase_id), 0))
            first[run_id, phase_id] = min(attempt, first.get((run_id, phase_id), attempt))
        changed: list[Sequence[str]] = []
        for phase, attempt in last.items():
            later = [paths for number, paths in self.passed.get(phase, ()) if number > attempt]
            changed += later[:1]
        counts = sorted(len(paths) for paths in changed)
        return EndedBy(
            passed=len(changed),
            not_passed=len(last) - len(changed),
            decisions=Counter(self.decided[one] for one in failed if one in self.decided),
            doctor=Counter(self.doctor[one] for one in failed if one in self.doctor),
            changed_files=counts[len(counts) // 2] if counts else None,
            changed_paths=_common(changed),
            retried=sum(self.last.get(phase, 0) > attempt for phase, attempt in first.items()),
        )


_MOST_PATHS = 5


def _common(changed: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the paths that more than half of the changes have in common, most frequent first."""
    found = Counter(path for paths in changed for path in set(paths))
    often = [
        path
        for path, count in sorted(found.items(), key=lambda one: (-one[1], one[0]))
        if count >= 2 and count * 2 > len(changed)
    ]
    return tuple(often[:_MOST_PATHS])
