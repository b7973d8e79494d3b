"""What only shows something is sent beside the run, and does not meet what the run has to say."""

from __future__ import annotations

import asyncio
import time


async def test_what_is_being_sent_arrives_while_the_run_pauses() -> None:
    from tasks.outbox import Outbox

    arrived: list[str] = []

    async def send(what: str) -> None:
        await asyncio.sleep(0.05)
        arrived.append(what)

    outbox = Outbox()
    await outbox.pause()  # nothing is being sent
    outbox.send("one", lambda: send("one"))
    outbox.send("two", lambda: send("two"))
    await outbox.pause()
    assert arrived == ["one", "two"]


async def test_a_run_does_not_pause_for_a_server_that_is_slow() -> None:
    from tasks.outbox import Outbox

    arrives = asyncio.Event()

    async def send() -> None:
        await arrives.wait()

    outbox = Outbox()
    outbox.send("one", send)
    before = time.monotonic()
    await outbox.pause(0.1)
    assert time.monotonic() - before < 5
    arrives.set()
    await outbox.flush()  # it was not given up for that
