"""A doctor's call is paid once: what it cost is known, whoever dies before its answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call, make_project, write_yaml
from support.runs import repair

from autopack.ledger.budget import reservations
from autopack.ledger.events.usage_events import token_totals
from autopack.ledger.recorder import Recorder
from autopack.model.budget import Reservation
from autopack.model.causes import Failure, FailureCause
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.runs import attempt as steps
from autopack.runs import calling
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.repair import consult as consulting
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.store import tables
from autopack.store.intents import (
    close_intent,
    next_call,
    open_intent,
)
from autopack.store.leases import Holder, acquire, release
from autopack.store.mitigations import get_consultations
from autopack.store.runs import get_decisions
from autopack.testing.scripted_doctor import ScriptDoctor

FAILURE = Failure(FailureCause.ENVIRONMENT, "no such host", "no such host")
ANSWER = {"action": "retry_with_fix", "confidence": 0.9, "rationale": "it is the host"}


class Killed(BaseException):
    pass


@pytest.fixture
async def failed(
    tmp_path: Path, store: Callable[..., str], open_run: Callable[[str], RunSession]
) -> Any:
    """A run whose first attempt was built, and failed in a way that a doctor is asked about."""
    project = make_project(
        tmp_path / "project", {"one": [[call(100)]]}, plan={"policy": {"doctor": "script"}}
    )
    answers = {"answers": [ANSWER | call(40)]}
    write_yaml(project.recording / "one.doctor.yaml", answers)
    session = open_run(store(project))
    session.environment = await prepare_environment(session)
    steps.begin(session, "one")
    await steps.build(session, AttemptKey("r", "one", 1))
    return session


def spent(session: RunSession) -> tuple[int, int]:
    totals = token_totals(session.db, "r")
    return totals.by_role["doctor"], totals.unreconciled_calls


async def test_a_call_whose_process_died_before_it_was_recorded_stays_unreconciled(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "record", killed)
        with pytest.raises(Killed):
            await repair(failed, "one", 1, FAILURE)
    assert spent(failed) == (0, 1)
    await repair(failed, "one", 1, FAILURE)
    assert spent(failed) == (40, 1), "two were paid, one of which is known"


async def test_a_call_whose_process_died_before_its_answer_was_kept_is_in_the_ledger(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(consulting, "record_consultation", killed)
        with pytest.raises(Killed):
            await repair(failed, "one", 1, FAILURE)
    assert spent(failed) == (40, 0)
    await repair(failed, "one", 1, FAILURE)
    assert spent(failed) == (80, 0), "the same answer, paid twice"
    assert len(get_consultations(failed.db, "r")) == 1


async def test_what_a_call_cost_is_kept_when_the_run_was_taken_over_meanwhile(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ScriptDoctor.ask

    async def ask(self: ScriptDoctor, *args: Any, **more: Any) -> Any:
        release(failed.db, failed.lease)
        acquire(failed.db, "r", Holder.of_this_process(), 45)
        return await real(self, *args, **more)

    monkeypatch.setattr(ScriptDoctor, "ask", ask)
    with pytest.raises(LeaseLost):
        await repair(failed, "one", 1, FAILURE)
    assert spent(failed) == (40, 0)
    assert get_consultations(failed.db, "r") == []


def held(session: RunSession) -> int:
    return sum(level.reserved.tokens for level in session.levels(session.db, session.phase("one")))


def notes(session: RunSession) -> list[str]:
    return [one.reason for one in get_decisions(session.db, "r") if one.kind == "doctor"]


async def test_a_call_is_set_aside_at_every_level_while_it_is_made(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = ScriptDoctor.ask, list[int]()

    async def ask(self: ScriptDoctor, *args: Any, **more: Any) -> Any:
        seen.append(held(failed))
        return await real(self, *args, **more)

    monkeypatch.setattr(ScriptDoctor, "ask", ask)
    await repair(failed, "one", 1, FAILURE)
    assert seen == [80], "40 of the run and 40 of the phase"
    assert held(failed) == 0


async def test_a_call_that_no_cap_has_room_for_is_not_made(failed: RunSession) -> None:
    runs = tables.runs
    failed.db.transact(lambda conn: conn.execute(sa.update(runs).values(token_cap=139)))
    state, _ = await repair(failed, "one", 1, FAILURE)
    assert state.failure == FAILURE
    assert spent(failed) == (0, 0)
    assert notes(failed) == ["not asked: no budget has room for another call of up to 40 tokens"]
    failed.db.transact(lambda conn: conn.execute(sa.update(runs).values(token_cap=140)))
    await repair(failed, "one", 1, FAILURE)
    assert spent(failed) == (40, 0)


async def test_a_call_waits_for_what_others_hold(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "_PAUSE_SECONDS", 0.01)
    everything = Reservation(5_000_000, None, 1.0)
    which = AttemptKey("r", "one", 1)
    failed.db.transact(lambda conn: reservations.reserve(conn, which, everything, role="reviewer"))
    asked = asyncio.ensure_future(repair(failed, "one", 1, FAILURE))
    await asyncio.sleep(0.1)
    assert not asked.done()
    assert spent(failed) == (0, 0)
    failed.db.transact(lambda conn: reservations.settle_call(conn, which, "reviewer", 1, None))
    await asked
    assert spent(failed) == (40, 0)


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


async def test_a_doctor_that_does_not_answer_holds_nothing_and_stays_unreconciled(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptDoctor, "ask", never)
    monkeypatch.setattr(ScriptDoctor, "seconds", 0.05)
    state, _ = await repair(failed, "one", 1, FAILURE)
    assert state.failure == FAILURE
    assert (spent(failed), held(failed)) == ((0, 1), 0)


async def test_a_run_that_is_stopped_while_it_asks_holds_nothing(
    failed: RunSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def ask(*_: Any, **__: Any) -> Any:
        begun.set()
        await never()

    monkeypatch.setattr(ScriptDoctor, "ask", ask)
    asked = asyncio.ensure_future(repair(failed, "one", 1, FAILURE))
    await begun.wait()
    assert held(failed) == 80
    failed.switch.stop(StopReason.INTERRUPTED, "stopped")
    with pytest.raises(RunStopped):
        await asked
    assert (spent(failed), held(failed)) == ((0, 1), 0)


def test_every_try_has_an_intent_of_its_own(failed: RunSession) -> None:
    def announce(conn: sa.Connection) -> int:
        number = next_call(conn, AttemptKey("r", "one", 1), "doctor")
        open_intent(conn, AttemptKey("r", "one", 1), "doctor", number)
        return number

    first = failed.db.transact(announce)
    second = failed.db.transact(announce)
    assert first != second
    failed.db.transact(lambda conn: close_intent(conn, AttemptKey("r", "one", 1), "doctor", second))
    assert token_totals(failed.db, "r").unreconciled_calls == 1


def test_a_key_of_an_earlier_version_is_not_used_again(failed: RunSession) -> None:
    failed.db.transact(lambda conn: open_intent(conn, AttemptKey("r", "one", 1), "doctor", 2))
    number = failed.db.transact(lambda conn: next_call(conn, AttemptKey("r", "one", 1), "doctor"))
    assert number == 3
