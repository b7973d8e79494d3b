"""No build starts without room on the disk for what it spends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from support.projects import call, make_project

from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.store.runs import get_attempts


def test_without_room_on_the_disk_nothing_starts(tmp_path: Path, store: Any, open_run: Any) -> None:
    build = [call(5), {"files": {"a": "1"}}]
    session = open_run(store(make_project(tmp_path / "p", {"one": [build]})))
    roomy = session.settings

    session.settings = replace(roomy, min_free_bytes=10**18)
    deferred = steps.begin(session, "one")
    assert isinstance(deferred, Decision)
    assert deferred.kind is DecisionKind.DEFER
    assert "AUTOPACK_MIN_FREE_MB" in deferred.reason
    assert get_attempts(session.db, "r", "one") == []

    session.settings = roomy
    assert not isinstance(steps.begin(session, "one"), Decision)
