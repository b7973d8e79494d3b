"""Which turn of the script answers a request.

The tool calls that the server hands out carry the number of their conversation and turn in their
ids, and a request carries the ids of its history. So any number of conversations go on at once,
a request that is repeated gets the same turn, and no request needs to be remembered.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from autopack.testing.model_server.actions import tool_call
from autopack.testing.model_server.dialects import Answer, Asked
from autopack.testing.model_server.model_script import (
    Conversation,
    Mode,
    Script,
    Tokens,
    ToolCall,
    Turn,
)

_CALL_ID = re.compile(r"call_c(\d+)t(\d+)n\d+")


@dataclass(frozen=True)
class Move:
    """The turn that is due: its place in the script, how it is to be answered, and with what.

    ``conversation`` and ``turn`` are None for an aside.
    """

    mode: Mode
    answer: Answer
    conversation: int | None = None
    turn: int | None = None


class Player:
    """Plays one script to many conversations. Not safe for threads: one event loop uses it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._chosen: list[Conversation] = []
        self._failures: Counter[tuple[int, int]] = Counter()
        self._answers = 0

    def next(self, asked: Asked, mode: Mode, request_size: int) -> Move:
        """Return the move that answers ``asked``. Only a move in mode ok or slow uses its
        turn up.
        """
        if not asked.tools and not asked.call_ids:
            return self._move(mode, self._script.aside, asked, request_size)
        place = self._place(asked)
        conversation = self._chosen[place[0]] if place else self._choose(asked)
        number, index = place or (len(self._chosen), 0)
        turns = conversation.turns if conversation else ()
        turn = turns[index] if index < len(turns) else self._script.afterwards
        if mode is Mode.OK:
            mode = self._failure(turn, (number, index))
        if place is None and mode.status == 200 and mode is not Mode.HANG:
            # Only a conversation that was answered has begun: a refused client asks again.
            self._chosen.append(conversation or Conversation(turns=()))
        return self._move(mode, turn, asked, request_size, number, index)

    def _place(self, asked: Asked) -> tuple[int, int] | None:
        found = [_CALL_ID.search(call_id) for call_id in asked.call_ids]
        places = [(int(m[1]), int(m[2])) for m in found if m and int(m[1]) < len(self._chosen)]
        if not places:
            return None
        number, index = max(places, key=lambda place: place[1])
        return number, index + 1

    def _choose(self, asked: Asked) -> Conversation | None:
        for conversation in self._script.conversations:
            taken = sum(1 for other in self._chosen if other is conversation)
            if conversation.when in asked.user_text and taken < (conversation.times or taken + 1):
                return conversation
        return None

    def _failure(self, turn: Turn, place: tuple[int, int]) -> Mode:
        failed = self._failures[place]
        if turn.fail is None or (turn.fail.times is not None and failed >= turn.fail.times):
            return Mode.OK
        self._failures[place] += 1
        return turn.fail.mode

    def _move(
        self,
        mode: Mode,
        turn: Turn,
        asked: Asked,
        request_size: int,
        number: int | None = None,
        index: int | None = None,
    ) -> Move:
        wanted = [tool_call(action, asked.tools) for action in turn.actions]
        calls = [call for call in wanted if call is not None] + list(turn.tools)
        self._answers += 1
        answer = Answer(
            id=f"resp-{self._answers}",
            model=asked.model,
            text=turn.text,
            calls=tuple((f"call_c{number}t{index}n{n}", call) for n, call in enumerate(calls)),
            tokens=turn.usage or _estimate(request_size, turn.text, calls),
        )
        return Move(mode, answer, number, index)


def _estimate(request_size: int, text: str, calls: list[ToolCall]) -> Tokens:
    """Return a token per four characters, as a rule of thumb has it."""
    said = len(text) + sum(len(call.model_dump_json()) for call in calls)
    return Tokens(input=max(1, request_size // 4), output=max(1, said // 4))
