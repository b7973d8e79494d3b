"""The stored states of patterns: every move has its evidence, and none is made by half."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from unit.store.conftest import NEW_RUN

from autopack.model.errors import BadInput, NotFound, Refused
from autopack.repair.lifecycle.detector import EVERYWHERE, Detector
from autopack.repair.lifecycle.pattern_state import PatternState
from autopack.repair.lifecycle.precision import Judged
from autopack.repair.lifecycle.standings import as_json, standings
from autopack.repair.lifecycle.transitions import (
    advance,
    begin_watching,
    by_person,
    history,
    in_force,
    latest,
)
from autopack.store.database.engine import Database
from autopack.store.pattern_hits import HitRow, Verdict, counts, get_hit, get_hits, judge_hit
from autopack.store.runs import create_run

Hitting = Callable[..., HitRow]


def judge(db: Database, hit: HitRow, verdict: Verdict, by: str = "person") -> None:
    def write(conn) -> None:
        judge_hit(conn, hit.id, verdict, by=by, why="seen")  # pyright: ignore[reportArgumentType]
        advance(conn, hit.pattern_id, hit.digest)

    db.transact(write)


def states(db: Database) -> list[str]:
    return [one.to_state for one in history(db, "engine")]


def test_judged_hits_promote_and_demote_with_their_evidence(
    database: Database, hit: Hitting
) -> None:
    for number in range(60):
        judge(database, hit(number), "right")
    assert states(database) == ["shadow", "suggest", "mitigate"]
    moved = history(database, "engine")[1]
    assert (moved.cause, moved.evidence["wrong"]) == ("judged", 0)
    assert moved.evidence["e_values"]["suggest"] >= 20
    assert moved.evidence["lo"] >= 0.8
    for number in range(60, 70):
        judge(database, hit(number), "wrong")
    assert states(database)[3] == "suggest"
    assert history(database, "engine")[3].evidence["lo"] < 0.9


def test_what_is_not_judged_counts_for_nothing(database: Database, hit: Hitting) -> None:
    first = hit(0)
    for number in range(1, 100):
        hit(number)
    judge(database, first, "right")
    assert states(database) == ["shadow"]
    (row,) = [as_json(one) for one in standings(database, ())]
    assert (row["looks"], row["hits"], row["judged"], row["precision"]) == (100, 100, 1, 1.0)
    assert row["last_hit"] is not None


def test_a_changed_detector_begins_again(
    database: Database, hit: Hitting, engine: Detector
) -> None:
    for number in range(30):
        judge(database, hit(number), "right")
    changed = replace(engine, digest="e" * 64)
    hit(99, changed)
    moves = latest(database)
    now = in_force(moves, changed, "/repo")
    assert now is not None
    assert now.to_state == "shadow"
    with database.read() as conn:
        assert counts(conn, "engine", changed.digest, EVERYWHERE) == (0, 0)


def test_a_persons_word_beats_what_facts_said_and_stays(database: Database, hit: Hitting) -> None:
    one = hit(1)
    judge(database, one, "right", by="trial")
    judge(database, one, "wrong")
    judge(database, one, "right", by="later attempts")
    assert (get_hit(database, one.id).verdict, get_hit(database, one.id).judged_by) == (
        "wrong",
        "person",
    )


def test_a_person_moves_a_pattern_in_one_repository(
    database: Database, hit: Hitting, engine: Detector
) -> None:
    hit(1)
    for _ in range(2):
        database.transact(lambda conn: by_person(conn, engine, "/repo", "promote", "I know it"))
    moves = latest(database)
    here, there = in_force(moves, engine, "/repo"), in_force(moves, engine, "/other")
    assert here is not None
    assert there is not None
    assert (here.to_state, there.to_state) == ("mitigate", "shadow")


def test_a_demoted_pattern_stays_there(database: Database, hit: Hitting, engine: Detector) -> None:
    for number in range(25):
        judge(database, hit(number), "right")
    database.transact(lambda conn: by_person(conn, engine, EVERYWHERE, "demote", "it is noisy"))
    for number in range(25, 60):
        judge(database, hit(number), "right")
    assert states(database)[-1] == "shadow"


def test_what_has_no_step_is_refused(database: Database, hit: Hitting, engine: Detector) -> None:
    hit(1)
    with pytest.raises(Refused, match="shadow"):
        database.transact(lambda conn: by_person(conn, engine, EVERYWHERE, "demote", "no"))
    database.transact(lambda conn: by_person(conn, engine, EVERYWHERE, "retire", "enough"))
    with pytest.raises(Refused, match="retired"):
        database.transact(lambda conn: by_person(conn, engine, EVERYWHERE, "retire", "again"))
    with pytest.raises(NotFound):
        get_hit(database, 999)
    with pytest.raises(BadInput):
        judge(database, get_hits(database, limit=1)[0], "maybe")  # pyright: ignore[reportArgumentType]


def test_watching_begins_once(database: Database, engine: Detector) -> None:
    for _ in range(2):
        database.transact(lambda conn: begin_watching(conn, [(engine, EVERYWHERE, "home")]))
    assert states(database) == ["shadow"]


def test_a_kill_in_the_middle_of_promoting_leaves_no_half_state(
    database: Database, database_url: str, hit: Hitting
) -> None:
    for number in range(60):
        hit(number)
    worker = Path(__file__).with_name("judging.py")
    for pause in (0.05,):
        process = subprocess.Popen(
            [sys.executable, str(worker), database_url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(pause)
        process.kill()
        process.communicate()
        _is_whole(database)
    subprocess.run([sys.executable, str(worker), database_url], check=True, capture_output=True)
    _is_whole(database)
    assert states(database) == ["shadow", "suggest", "mitigate"]


def _is_whole(db: Database) -> None:
    """The state is the one that the judged hits say, whatever was killed."""
    with db.read() as conn:
        judged = Judged(*counts(conn, "engine", "d" * 64, EVERYWHERE))
    expected = (
        PatternState.MITIGATE
        if judged.exceeds(0.9)
        else PatternState.SUGGEST
        if judged.exceeds(0.8)
        else PatternState.SHADOW
    )
    assert states(db)[-1] == expected


def test_replays_of_one_failure_are_one_observation(database: Database, hit: Hitting) -> None:
    for number in range(60):
        origin = None if number < 3 else f"run-{number % 3}"
        new = replace(NEW_RUN, run_id=f"run-{number}", branch=f"b-{number}", replay_of=origin)
        create_run(database, new, [("one", "T1")])
        judge(database, hit(number), "right", by="trial")
    assert states(database) == ["shadow"]
    (row,) = [as_json(one) for one in standings(database, ())]
    assert (row["hits"], row["judged"], row["right"]) == (60, 3, 3)
    # what a person says of one of them beats what facts said of the others
    judge(database, get_hits(database, limit=1)[0], "wrong")
    (row,) = [as_json(one) for one in standings(database, ())]
    assert (row["judged"], row["right"], row["wrong"]) == (3, 2, 1)
