"""Hits of a detector, put into a database as runs leave them there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from autopack.model.ids import AttemptKey
from autopack.repair.lifecycle.detector import EVERYWHERE, Detector
from autopack.repair.lifecycle.transitions import begin_watching
from autopack.store.database.engine import Database
from autopack.store.pattern_hits import HitRow, NewHit, phase_hits, record_hit, record_look

ENGINE = Detector("engine", 1, "d" * 64, "stop_retrying")


@pytest.fixture
def engine() -> Detector:
    """A detector that runs load from the home."""
    return ENGINE


@pytest.fixture
def hit(database: Database) -> Callable[..., HitRow]:
    """Store a hit of the detector, in a run of its own."""

    def hitting(
        number: int, detector: Detector = ENGINE, repository: str = "/repo", **more: Any
    ) -> HitRow:
        key = AttemptKey(f"run-{number}", "one", 1)
        new: dict[str, Any] = {
            "pattern_id": detector.pattern_id,
            "digest": detector.digest,
            "version": detector.version,
            "mitigation": detector.mitigation,
            "state": "shadow",
            "captured": {"line": "error: \x00 'it'"},
            **more,
        }

        def write(conn: sa.Connection) -> None:
            begin_watching(conn, [(detector, EVERYWHERE, "home")])
            record_look(conn, key, repository, "s", {detector.pattern_id: detector.digest})
            record_hit(conn, key, repository, NewHit(**new))

        database.transact(write)
        (stored,) = phase_hits(database, key.run_id, "one")
        return stored

    return hitting
