"""From nothing: runs fail, are mined, become detectors, are judged, and end earlier with one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call, make_project
from support.runs import repair

from autopack.ledger.consolidated import consolidated_tokens
from autopack.mining.expand import Expanded, expand
from autopack.mining.generation.self_test import failing
from autopack.mining.generation.write import offer_folder
from autopack.mining.mine import mine
from autopack.model.ids import AttemptKey
from autopack.repair.decide import Decision, DecisionKind
from autopack.repair.lifecycle.transitions import advance, history, latest
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.pattern_hits import NewHit, get_hits, judge_hit, record_hit

WAYS = {
    # what it says, and what a build costs: none of them ever passes
    "engine": ("error: engine {} gave up compiling the saved query", 1_000),
    "vague": ("error: task {} failed", 50),
    "licence": ("fatal: licence server {} rejected the floating licence", 700),
    "mirror": ("error: mirror {} serves stale artefacts of yesterday", 400),
    "kernel": ("error: kernel driver {} lost its hardware clock", 100),
}
FEW, ALL = ("engine", "vague"), tuple(WAYS)
RUNS, BUILDS = 5, 2
ENOUGH = 50
"""Right hits after which a pattern may act."""


def _runs(way: str) -> int:
    """As many as a detector needs, and few of what gives none."""
    return 2 if way == "vague" else RUNS


@dataclass(frozen=True)
class Ran:
    """The decisions of a run's one phase, and what it spent."""

    kinds: list[str]
    tokens: int | None


@pytest.fixture
def fail(tmp_path: Path, database: Database, store: Callable[..., str], open_run: Any) -> Any:
    """Has a run fail in one of the ways, as the flow would carry it out."""

    async def failing_run(way: str, number: int) -> Ran:
        says, tokens = WAYS[way]
        run_id = f"{way}-{number}"
        builds = [
            [call(tokens, response_id=f"{run_id}-{n}"), {"files": {f"a{n}": "1"}}]
            for n in range(BUILDS)
        ]
        check = ["sh", "-c", f"echo '{says.format(number)}'; exit 1"]
        project = make_project(
            tmp_path / run_id,
            {"one": builds},
            phase={"validate": [check], "budget": {"attempts": BUILDS}},
            plan={"features": ["failure_hardening", "consolidated_metrics"]},
        )
        kinds = await _carried_out(open_run(store(project, run_id)))
        return Ran(kinds, consolidated_tokens(database, run_id).spent.total)

    return failing_run


async def _carried_out(session: RunSession) -> list[str]:
    session.environment = await prepare_environment(session)
    decision: Decision | None = None
    while decision is None or decision.kind is DecisionKind.RETRY:
        started = steps.begin(session, "one")
        assert not isinstance(started, Decision)
        await steps.build(session, started.key)
        failure = await steps.validate(session, started.key)
        state, decision = await repair(session, "one", started.attempt, failure)
        steps.conclude(session, started.key, state.failure, decision)
    return [one.kind for one in session.snapshot("one").decisions]


def expanded(db: Database, out: Path) -> Expanded:
    return expand(db, os.environ, datetime.now(UTC), partial(offer_folder, out), top=10)


def judged_right(db: Database, pattern_id: str, digest: str, count: int) -> None:
    """Put hits into the database as further runs would leave them, each judged by a person."""

    def write(conn: sa.Connection) -> None:
        for number in range(count):
            key = AttemptKey(f"other-{number}", "one", 1)
            record_hit(
                conn,
                key,
                "/other",
                NewHit(
                    pattern_id=pattern_id,
                    digest=digest,
                    version=1,
                    mitigation="stop_retrying",
                    state="shadow",
                    captured={},
                ),
            )
        for hit in get_hits(conn, pattern_id=pattern_id, unjudged=True, limit=count):
            judge_hit(conn, hit.id, "right", by="person", why="it never passes")
            advance(conn, hit.pattern_id, hit.digest)

    db.transact(write)


@pytest.mark.slow
@pytest.mark.parametrize("ways", [FEW, pytest.param(ALL, marks=pytest.mark.full)])
async def test_what_keeps_failing_becomes_a_detector_that_earned_its_place(
    fail: Any, database: Database, settings: Settings, ways: tuple[str, ...]
) -> None:
    before = [await fail(way, number) for way in ways for number in range(_runs(way))]
    assert {tuple(one.kinds) for one in before} == {("retry", "stop")}

    mined = mine(database, os.environ, datetime.now(UTC)).signatures
    by_cost = sorted(ways, key=lambda way: -WAYS[way][1])
    assert [one.tokens for one in mined] == [WAYS[way][1] * BUILDS * _runs(way) for way in by_cost]
    assert all(one.ended_by.retried == one.runs and one.ended_by.passed == 0 for one in mined)

    # Straight to where runs read it: it watches from now on.
    home = settings.home / "patterns"
    found = expanded(database, home)
    assert len(found.kept) == len(ways) - 1
    assert [one.reason for one in found.refused] == [
        "too vague: all that its texts share is 'error: task <*> failed', which failures of many"
        " kinds say"
    ]
    pattern_id = found.kept[0].pattern_id
    files = {
        path.relative_to(home / pattern_id).as_posix(): path.read_text()
        for path in (home / pattern_id).rglob("*")
        if path.is_file()
    }
    declared = f"patterns/{pattern_id}.yaml"
    assert "stop_retrying" in files[declared]
    broken = {**files, declared: files[declared].replace("gave up", "gave in")}
    assert set(failing({"whole": files, "broken": broken})) == {"broken"}

    shadow = await fail("engine", 90)
    assert shadow == before[0]
    (hit,) = get_hits(database, pattern_id=pattern_id, limit=9)
    assert (hit.state, hit.verdict, hit.judged_by) == ("shadow", "right", "later attempts")

    judged_right(database, pattern_id, hit.digest, ENOUGH)
    states = [one.to_state for one in history(database, pattern_id)]
    assert states == ["candidate", "shadow", "suggest", "mitigate"]
    assert {one.to_state for one in latest(database).values()} <= {"mitigate", "shadow"}

    after = await fail("engine", 91)
    assert after.kinds == ["mitigate", "stop"]
    assert (shadow.tokens, after.tokens) == (2_000, 1_000)
