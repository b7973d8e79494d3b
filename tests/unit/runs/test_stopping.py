"""Stopping a run from elsewhere while a step of it is under way."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from autopack.runs.session.stop import RunStopped, StopReason, StopSwitch


@pytest.fixture
def switch() -> StopSwitch:
    return StopSwitch()


async def for_ever(log: list[str]) -> None:
    """A step that takes its time to clean up."""
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0.02)
        log.append("cleaned up")


def test_a_new_switch_stops_nothing(switch: StopSwitch) -> None:
    switch.check()
    assert switch.stopped is None


def test_a_stop_says_why(switch: StopSwitch) -> None:
    switch.stop(StopReason.CANCELLED, "the run was cancelled")
    with pytest.raises(RunStopped, match="the run was cancelled") as stopped:
        switch.check()
    assert stopped.value.reason is StopReason.CANCELLED
    assert switch.stopped is stopped.value


def test_the_first_reason_wins(switch: StopSwitch) -> None:
    switch.stop(StopReason.INTERRUPTED, "first")
    switch.stop(StopReason.LEASE_LOST, "second")
    assert switch.stopped is not None
    assert (switch.stopped.reason, switch.stopped.message) == (StopReason.INTERRUPTED, "first")


def test_of_many_threads_one_wins(switch: StopSwitch) -> None:
    gate = threading.Barrier(8)

    def stop(number: int) -> RunStopped | None:
        gate.wait()
        switch.stop(StopReason.CANCELLED, str(number))
        return switch.stopped

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(stop, range(8)))
    assert seen == {switch.stopped}


async def test_a_stop_ends_all_steps_that_are_guarded_at_once(switch: StopSwitch) -> None:
    log: list[str] = []
    steps = [asyncio.create_task(switch.guard(for_ever(log))) for _ in range(3)]
    over = asyncio.create_task(switch.guard(asyncio.sleep(0)))
    await over  # one that ends leaves the others guarded
    switch.stop(StopReason.CANCELLED, "all of them")
    for step in steps:
        with pytest.raises(RunStopped, match="all of them"):
            await asyncio.wait_for(step, 5)
    assert log == ["cleaned up"] * 3


async def test_a_step_that_ends_gives_its_result(switch: StopSwitch) -> None:
    async def step() -> int:
        await asyncio.sleep(0)
        return 7

    assert await switch.guard(step()) == 7


async def test_a_step_that_fails_raises_its_own_error(switch: StopSwitch) -> None:
    async def step() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await switch.guard(step())


async def test_a_thread_ends_the_step_and_waits_for_its_clean_up(switch: StopSwitch) -> None:
    log: list[str] = []
    thread = threading.Timer(0.02, switch.stop, (StopReason.LEASE_LOST, "gone"))
    thread.start()
    with pytest.raises(RunStopped, match="gone"):
        await asyncio.wait_for(switch.guard(for_ever(log)), 5)
    assert log == ["cleaned up"]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
async def test_a_signal_handler_ends_the_step(switch: StopSwitch) -> None:
    log: list[str] = []
    before = signal.signal(
        signal.SIGUSR1, lambda *_: switch.stop(StopReason.INTERRUPTED, "signalled")
    )
    try:
        asyncio.get_running_loop().call_later(0.02, signal.raise_signal, signal.SIGUSR1)
        with pytest.raises(RunStopped, match="signalled"):
            await asyncio.wait_for(switch.guard(for_ever(log)), 5)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert log == ["cleaned up"]


async def test_a_step_is_not_begun_when_the_run_was_stopped_before(switch: StopSwitch) -> None:
    begun: list[str] = []

    async def step() -> None:
        begun.append("paid for a call")

    switch.stop(StopReason.CANCELLED, "too late")
    with pytest.raises(RunStopped, match="too late"):
        await switch.guard(step())
    assert begun == []


async def test_a_step_that_ended_before_the_stop_keeps_its_result(switch: StopSwitch) -> None:
    async def step() -> int:
        switch.stop(StopReason.CANCELLED, "just after")
        return 7

    assert await switch.guard(step()) == 7
    with pytest.raises(RunStopped):
        switch.check()


async def test_a_step_that_will_not_be_cancelled_is_waited_for(switch: StopSwitch) -> None:
    ended: list[str] = []

    async def step() -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
        ended.append("at last")

    asyncio.get_running_loop().call_later(0.01, switch.stop, StopReason.CANCELLED, "now")
    with pytest.raises(RunStopped, match="now"):
        await switch.guard(step())
    assert ended == ["at last"]


async def test_cancelling_the_caller_ends_the_step_too(switch: StopSwitch) -> None:
    log: list[str] = []
    caller = asyncio.create_task(switch.guard(for_ever(log)))
    await asyncio.sleep(0.02)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert log == ["cleaned up"]
    assert switch.stopped is None


async def test_a_switch_guards_one_step_after_another(switch: StopSwitch) -> None:
    log: list[str] = []
    await switch.guard(asyncio.sleep(0))
    threading.Timer(0.02, switch.stop, (StopReason.CANCELLED, "second")).start()
    with pytest.raises(RunStopped, match="second"):
        await asyncio.wait_for(switch.guard(for_ever(log)), 5)


def test_a_stop_after_the_loop_is_gone_is_only_noted(switch: StopSwitch) -> None:
    asyncio.run(switch.guard(asyncio.sleep(0)))
    switch.stop(StopReason.INTERRUPTED, "late")
    assert switch.stopped is not None
