"""What codex tells of its usage, in every form that its versions print."""

from __future__ import annotations

from typing import Any

import pytest
from support.agent_output import lines

from autopack.agents.usage_formats import parse
from autopack.model.calls import (
    Exactness,
)


def token_count(*total: int, last: tuple[int, ...] | None = None) -> Any:
    names = ("input_tokens", "cached_input_tokens", "output_tokens")
    info = {
        "total_token_usage": dict(zip(names, total, strict=True)),
        "last_token_usage": dict(zip(names, last or total, strict=True)),
    }
    return {"type": "event_msg", "payload": {"type": "token_count", "info": info}}


def task(kind: str) -> Any:
    return {"type": "event_msg", "payload": {"type": f"task_{kind}"}}


def meta(thread: str, **more: str) -> Any:
    return {"type": "session_meta", "payload": {"id": thread, **more}}


def turn(new: int, out: int, thread: str = "t", cached: int = 0) -> tuple[Any, ...]:
    usage = {"input_tokens": new, "cached_input_tokens": cached, "output_tokens": out}
    return (
        {"type": "thread.started", "thread_id": thread},
        {"type": "turn.started"},
        {"type": "turn.completed", "usage": usage},
    )


FIRST = token_count(1000, 700, 60)
SECOND = token_count(1800, 1400, 125, last=(800, 700, 65))


# events of codex, then calls, tokens, exactness
@pytest.mark.parametrize(
    ("events", "calls", "total", "exactness"),
    [
        # the thread's sum so far, after every call; repeated with news of rate limits
        (
            (meta("t"), task("started"), FIRST, FIRST, SECOND, SECOND, task("complete")),
            2,
            1925,
            Exactness.EXACT,
        ),
        ((meta("t"), task("started"), FIRST), 1, 1060, Exactness.PARTIAL),
        # a version that tells nothing at all
        ((meta("t"), task("started"), task("complete")), 0, None, Exactness.UNKNOWN),
        # a null instead of figures
        (
            (
                meta("t"),
                task("started"),
                {"type": "event_msg", "payload": {"type": "token_count", "info": None}},
                task("complete"),
            ),
            0,
            None,
            Exactness.UNKNOWN,
        ),
        # two agents, each with a rollout
        (
            (
                *(meta("t"), task("started"), FIRST, task("complete")),
                *(meta("u"), task("started"), FIRST, task("complete")),
            ),
            2,
            2120,
            Exactness.EXACT,
        ),
        # a fork repeats what it began with, and counts on
        (
            (
                *(meta("t"), task("started"), FIRST, task("complete")),
                *(meta("u", forked_from_id="t"), meta("t"), task("started"), FIRST, SECOND),
                task("complete"),
            ),
            2,
            1925,
            Exactness.EXACT,
        ),
        # counted from zero again
        ((meta("t"), task("started"), SECOND, FIRST, task("complete")), 2, 2985, Exactness.PARTIAL),
        # and again with the same figures, which look like a repetition: the next ones do not fit
        (
            (
                *(meta("t"), task("started"), FIRST, SECOND, FIRST),
                *(token_count(2700, 1500, 160, last=(1700, 800, 100)), task("complete")),
            ),
            3,
            3725,
            Exactness.PARTIAL,
        ),
        # turns of one thread tell its sum so far
        ((*turn(16504, 20), *turn(85681, 40), *turn(103779, 45)), 1, 103824, Exactness.EXACT),
        # or each its own, which then are added up
        ((*turn(500, 40), *turn(300, 20)), 2, 860, Exactness.PARTIAL),
        ((*turn(500, 40), *turn(300, 20, "u")), 2, 860, Exactness.EXACT),
        ((*turn(500, 40), {"type": "turn.started"}), 1, 540, Exactness.PARTIAL),
        (({"type": "turn.completed", "usage": None},), 0, None, Exactness.UNKNOWN),
        (({"type": "turn.completed", "usage": {}},), 0, None, Exactness.UNKNOWN),
        # stdout and the rollout of one thread
        (
            (
                *(*turn(1800, 125, cached=1400), meta("t")),
                *(task("started"), FIRST, SECOND, task("complete")),
            ),
            2,
            1925,
            Exactness.EXACT,
        ),
        # an answer that broke off
        (
            (
                {"type": "error", "message": "Reconnecting... 1/5 (stream disconnected)"},
                *turn(500, 40),
            ),
            1,
            540,
            Exactness.PARTIAL,
        ),
    ],
)
def test_codex(events: Any, calls: int, total: int | None, exactness: Exactness) -> None:
    usage = parse("codex", lines(*events))

    told = [call for call in usage.calls if call.total]
    assert (usage.total.total, usage.exactness) == (total, exactness)
    assert len(told) <= calls
