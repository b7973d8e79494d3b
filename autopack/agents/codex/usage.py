"""codex: ``exec --json`` on stdout and the rollout files under ``$CODEX_HOME/sessions``.

stdout has one sum at the very end of a turn (``turn.completed``: that of the thread so far, also
of turns before a resumption) and none after a failure. A rollout file tells of every call as it
ends: in a ``token_usage_record`` with its response id, in older versions only by a ``token_count``
with the thread's sum so far. Every agent that codex starts has a rollout of its own.
``input_tokens`` include what was read from and written to the cache; ``output_tokens`` include
reasoning.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from autopack.agents.usage_reading import (
    NOTHING,
    Json,
    Report,
    Split,
    Usage,
    add_up,
    exactness_of,
    http_status,
    model_call,
    part,
    text,
    total_of,
)
from autopack.model.calls import (
    ModelCall,
)


@dataclass(frozen=True)
class _Told:
    """One call, or a sum of several, as a thread tells it."""

    split: Split
    sound: bool = True
    turn: str | None = None
    response_id: str | None = None
    is_sum: bool = False


@dataclass
class _Thread:
    """What is told of one thread, in three ways that may all be there."""

    records: dict[tuple[object, ...], _Told] = field(
        default_factory=dict["tuple[object, ...]", _Told]
    )
    counted: list[_Told] = field(default_factory=list[_Told])
    known_counts: set[tuple[Split, Split]] = field(default_factory=set["tuple[Split, Split]"])
    so_far: Split = NOTHING
    completed: list[Split] = field(default_factory=list[Split])
    sound: bool = True
    before: Split = NOTHING
    records_before: frozenset[tuple[object, ...]] = frozenset()
    counted_before: int = 0

    def begin(self) -> None:
        """Take what was told so far for that of earlier builds, whose calls do not count."""
        self.before = total_of(one.split for one in self.told()) + self.before
        self.records_before = frozenset(self.records)
        self.counted_before = len(self.counted)
        self.completed, self.sound = [], True

    def count(self, info: Json, turn: str | None) -> None:
        """Take in a ``token_count``: the thread's sum so far, and the last call."""
        total, sound = _split(part(info, "total_token_usage"))
        last, last_sound = _split(part(info, "last_token_usage"))
        if (total, last) in self.known_counts:
            return  # told again, with news of rate limits
        self.known_counts.add((total, last))
        self.sound = self.sound and sound
        if not total.covers(self.so_far):
            self.sound, self.so_far = False, NOTHING  # counted from zero again
        more = total - self.so_far
        self.so_far = total
        if more.total:
            if last_sound and not more.covers(last):
                # Counted from zero again unseen, or by two forks: the last call is beyond the sum.
                self.sound, more = False, more | last
            one_call = last_sound and more.covers(last) and last.covers(more)
            self.counted.append(_Told(more, sound, turn, is_sum=not one_call))

    def complete(self, usage: Json) -> None:
        """Take in a ``turn.completed``."""
        split, sound = _split(usage)
        self.completed.append(split)
        self.sound = self.sound and sound

    @property
    def sums_up(self) -> bool:
        """Whether every turn tells the sum of the thread, not its own."""
        return all(after.covers(before) for before, after in pairwise(self.completed))

    def told(self) -> list[_Told]:
        """Return every call, and one more for what the sums have beyond them."""
        recorded = [told for key, told in self.records.items() if key not in self.records_before]
        calls = recorded if self.records else self.counted[self.counted_before :]
        shown = self.before + total_of(one.split for one in calls)
        by_turn = self.completed[-1:] if self.sums_up else self.completed
        rest = (total_of(by_turn) | self.so_far) - shown
        return list(calls) + ([_Told(rest, self.sound, is_sum=True)] if rest.total else [])

    @property
    def tells(self) -> bool:
        """Whether it says anything of what was spent."""
        return bool(self.records or self.known_counts or self.completed)


class CodexParser:
    """Reads events of both kinds, in any order of files."""

    told_at_the_end: ClassVar[bool] = True
    markers = (
        b'"token_usage_record"',
        b'"token_count"',
        b'"session_meta"',
        b'"turn_context"',
        b'"turn.',
        b'"thread.started"',
        b'"agent_message"',
        b'"error"',
        b'"task_started"',
        b'"task_complete"',
        b'"turn_aborted"',
    )

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider or "openai"
        self._model = model
        self._models: dict[str | None, str] = {}
        self._threads: dict[str | None, _Thread] = {}
        self._on_stdout: str | None = None
        self._rollout: str | None = None
        self._forked_from: str | None = None
        self._turn: str | None = None
        self._turns_open = 0
        self._tasks_open = 0
        self._ended = False
        self._has_rollout = False
        self._sound = True
        self._said: str | None = None
        self._error: str | None = None
        self._tasks_cut_off = 0

    def begin(self) -> None:
        """Take all that was read so far for turns of builds before this one."""
        for thread in self._threads.values():
            thread.begin()
        # The rollout of a resumed thread begins with them, also with those that were cut off.
        self._tasks_cut_off = max(0, self._tasks_open)
        self._turns_open = self._tasks_open = 0
        self._ended, self._has_rollout, self._sound = False, False, True
        self._on_stdout = self._rollout = self._forked_from = self._turn = None
        self._said = self._error = None

    def read(self, event: Json) -> None:
        payload = part(event, "payload")
        match event.get("type"):
            case "token_usage_record":
                self._record(payload)
            case "session_meta":
                self._open_rollout(payload)
            case "turn_context":
                self._turn = text(payload, "turn_id")
                self._models[self._turn] = text(payload, "model") or self._model
            case "event_msg":
                self._message(payload)
            case "thread.started":
                self._on_stdout = text(event, "thread_id")
            case "turn.started":
                self._turns_open += 1
            case "turn.completed":
                self._thread(self._on_stdout).complete(part(event, "usage"))
                self._turns_open, self._ended = 0, True
            case "turn.failed":
                self._error = text(part(event, "error"), "message") or self._error
            case "error":
                self._error = text(event, "message") or self._error
                # The answer that was under way may have been paid for.
                self._sound = self._sound and "stream disconnected" not in (self._error or "")
            case "item.completed" if part(event, "item").get("type") == "agent_message":
                self._said = text(part(event, "item"), "text")
            case _:
                pass

    def miss(self) -> None:
        self._sound = False

    def usage(self) -> Usage:
        calls = [self._call(told) for thread in self._threads.values() for told in thread.told()]
        completed = any(thread.completed for thread in self._threads.values())
        message, status = _cause(self._error)
        exactness = exactness_of(calls, all_told=self._is_all_told(None if completed else status))
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if not completed and message else self._said,
            error=None if completed else message,
            http_status=None if completed else status,
        )

    def _thread(self, name: str | None) -> _Thread:
        return self._threads.setdefault(name, _Thread())

    def _record(self, payload: Json) -> None:
        # A forked agent's rollout repeats the records of the one it came from.
        thread, response_id = text(payload, "thread_id"), text(payload, "response_id")
        after = part(payload, "thread_token_usage").get("total_tokens")
        split, sound = _split(part(payload, "usage"))
        key = (response_id, after if isinstance(after, int) else None)
        told = _Told(split, sound, text(payload, "turn_id"), response_id)
        self._thread(thread).records.setdefault(key, told)
        self._rollout = self._rollout or thread
        self._sound = self._sound and sound

    def _open_rollout(self, payload: Json) -> None:
        name = text(payload, "id")
        if name is not None and name == self._forked_from:
            return  # the history that a fork begins with
        self._forked_from = text(payload, "forked_from_id")
        self._rollout, self._has_rollout = name, True

    def _message(self, payload: Json) -> None:
        match payload.get("type"):
            case "task_started":
                self._tasks_open += 1
                self._has_rollout = True
            case "task_complete":
                self._tasks_open -= 1
                self._ended = True
            case "token_count" if part(payload, "info"):
                # A fork counts on from the thread that it came from.
                thread = self._forked_from or self._rollout or self._on_stdout
                self._thread(thread).count(part(payload, "info"), self._turn)
            case _:
                pass

    def _is_all_told(self, refused: int | None) -> bool:
        if not self._sound or not all(thread.sound for thread in self._threads.values()):
            return False
        if not all(thread.sums_up for thread in self._threads.values()):
            return False
        if refused is not None and self._has_rollout:
            return True  # the last call cost nothing, the ones before have a record each
        tells = any(thread.tells for thread in self._threads.values())
        return (
            tells
            and self._ended
            and self._tasks_open <= self._tasks_cut_off
            and not self._turns_open
        )

    def _call(self, told: _Told) -> ModelCall:
        return model_call(
            self._provider,
            self._models.get(told.turn) or self._model,
            told.split,
            response_id=told.response_id,
            sound=told.sound,
            most_input=told.split.taken_in if told.is_sum else None,
        )


def _split(usage: Json) -> tuple[Split, bool]:
    report = Report(usage)
    report.needs("input_tokens", "output_tokens")
    taken_in = report.tokens("input_tokens")
    cached = report.tokens("cached_input_tokens")
    written = report.tokens("cache_write_input_tokens")
    split = Split(
        max(0, taken_in - cached - written),
        cached,
        written,
        report.tokens("output_tokens"),
        report.tokens("reasoning_output_tokens"),
    )
    is_part = cached + written <= taken_in and (split.reasoning or 0) <= split.output
    return split, report.sound and is_part


def _cause(message: str | None) -> tuple[str | None, int | None]:
    """Return an error's words and HTTP status, from a provider's JSON or codex's own sentence."""
    if message is None:
        return None, None
    try:
        error = json.loads(message)["error"]
        words, kind, code = str(error["message"]), error.get("type"), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found = re.search(r"\bstatus:? (\d{3})\b", message)
        if found is None and "high demand" in message:
            return message, 500  # what codex makes of any answer from 500 on
        return message, int(found[1]) if found else None
    status = http_status(code)
    return words, 400 if status is None and kind == "invalid_request_error" else status
