"""Claude Code's ``--output-format stream-json``.

With ``--include-partial-messages`` every call opens with ``message_start`` (what went in, and a
placeholder of one output token) and closes with ``message_delta`` (what came out), so that the
spend of a killed run is known. Without it a message is written several times, its output growing:
the largest figures of a message count, once. The ``result`` of a session sums up per model in
``modelUsage``, with the calls that the stream does not show (titles, summaries, agents of its
own); its ``usage`` leaves those out and serves only where the other is missing. All input figures
exclude cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import ClassVar

from autopack.agents.claude_code.background import BACKGROUND_MARKERS, BackgroundTasks
from autopack.agents.claude_code.stream_session import Before, Message, Session, plain
from autopack.agents.usage_reading import (
    NOTHING,
    Json,
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
    Exactness,
    ModelCall,
)


class ClaudeCodeParser:
    """Reads stream-json events."""

    told_at_the_end: ClassVar[bool] = False
    markers = (
        b'"usage"',
        b'"subtype":"init"',
        b'"type":"result"',
        b'"modelUsage"',
        *BACKGROUND_MARKERS,
    )

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider or "anthropic"
        self._model = model
        self._sessions: dict[str | None, Session] = {}
        self._session: str | None = None
        self._result: Json | None = None
        self._missed = False
        self._background = BackgroundTasks()
        self._before = Before()

    def begin(self) -> None:
        """Take all that was read so far for calls of builds before this one."""
        self._before = Before.of(self._sessions.values())
        self._sessions, self._session = {}, None
        self._result, self._missed = None, False
        self._background = BackgroundTasks()

    def read(self, event: Json) -> None:
        kind, parent = event.get("type"), text(event, "parent_tool_use_id")
        if kind not in ("stream_event", "assistant", "result", "system"):
            return
        named = text(event, "session_id")
        if self._session is None and named is not None and None in self._sessions:
            self._sessions[named] = self._sessions.pop(None)  # it had no name so far
        self._session = named or self._session
        session = self._sessions.setdefault(self._session, Session())
        if kind == "stream_event":
            self._stream(session, part(event, "event"), parent, text(event, "uuid"))
        elif kind == "assistant":
            self._whole(session, part(event, "message"), parent)
        elif kind == "result":
            self._result = event
            self._background.conclude()
            session.conclude(event)
        else:
            self._background.read(event)

    def miss(self) -> None:
        self._missed = True

    def usage(self) -> Usage:
        calls: list[ModelCall] = []
        all_told = bool(self._sessions) and not self._missed
        for session in self._sessions.values():
            of_session, told = self._calls(self._before.beyond(session))
            calls += of_session
            all_told = all_told and told
        exactness = exactness_of(calls, all_told=all_told)
        sums = add_up(calls, exactness)
        if self._result is None:
            return Usage(calls, sums, exactness)
        subtype = text(self._result, "subtype") or ""
        # At a limit of turns or money it has worked, and says so as an error.
        failed = self._result.get("is_error") is True and not subtype.startswith("error_max_")
        words = text(self._result, "result") or subtype or None
        if not failed and (left := self._background.unfinished()):
            # What it says of itself was said while that was still to come.
            failed, words = True, f"ended while a task in the background was unfinished: {left}"
        return Usage(
            calls,
            sums,
            exactness,
            said=None if failed else words,
            error=(words or "an error without words") if failed else None,
            http_status=http_status(self._result.get("api_error_status")),
        )

    def _stream(self, session: Session, event: Json, parent: str | None, mark: str | None) -> None:
        if event.get("type") == "message_start":
            message = part(event, "message")
            session.open[parent] = session.add(message, self._model, mark or text(message, "id"))
        elif event.get("type") == "message_delta" and parent in session.open:
            session.open[parent].close(part(event, "usage"))

    def _whole(self, session: Session, message: Json, parent: str | None) -> None:
        """An ``assistant`` event: new only where no ``message_start`` announced it."""
        latest = session.open.get(parent)
        if latest is not None and latest.id == text(message, "id"):
            latest.take(part(message, "usage"))
        else:
            session.open[parent] = session.add(message, self._model, None)

    def _calls(self, session: Session) -> tuple[list[ModelCall], bool]:
        """Return the calls of a session, and whether they are all of them."""
        seen = session.seen()
        told = session.ended and session.sound and all(one.sound for one in seen if one.closed)
        if session.reported:
            calls, agrees = self._from_models(session, seen)
        elif session.own_usage:
            calls, agrees = self._from_own_usage(session, seen)
        else:
            calls, agrees = [self._call(one) for one in seen], False
        paid_nothing = session.reports_models and not calls
        return calls, told and (agrees or paid_nothing)

    def _from_own_usage(
        self, session: Session, seen: list[Message]
    ) -> tuple[list[ModelCall], bool]:
        """Without a report per model: what was seen, and what the session's own sum has beyond it.

        Calls that the stream does not show are in neither, so that it is exact only where the
        two agree.
        """
        own = session.own_usage or NOTHING
        shown = total_of(one.split for one in seen)
        rest = own - shown
        calls = [self._call(one) for one in seen]
        if rest.total:
            model = seen[-1].model if seen else self._model
            calls.append(self._sum(model, rest, seen))
        agrees = bool(seen) and all(one.closed for one in seen)
        return calls, agrees and own.covers(shown) and shown.covers(own)

    def _from_models(self, session: Session, seen: list[Message]) -> tuple[list[ModelCall], bool]:
        """The calls seen from beginning to end and, per model, one for what goes beyond them.

        A model that the stream calls by another name than the report stands for what the report
        has and the stream has not. Where more was seen than is reported, the larger figures
        count, and nobody knows whether they are all.
        """
        by_model: defaultdict[str, list[Message]] = defaultdict(list)
        for one in seen:
            by_model[plain(one.model)].append(one)
        strangers = [name for name in by_model if name not in session.reported]
        unseen = {name: split for name, split in session.reported.items() if name not in by_model}
        calls: list[ModelCall] = []
        agrees = True
        for name, messages in by_model.items():
            if name in session.reported:
                more, fits = self._beyond(name, messages, session.reported[name], session)
                calls += more
                agrees = agrees and fits
        strange = [one for name in strangers for one in by_model[name]]
        shown = total_of(one.split for one in strange)
        reported = total_of(unseen.values())
        if strange and not reported.covers(shown):
            calls += [self._call(one) for one in strange]
            rest = reported - shown
            calls += [self._sum(strange[-1].model, rest, ())] if rest.total else []
            return calls, False
        calls += [
            self._sum(name, split, strange, session)
            for name, split in unseen.items()
            if split.total
        ]
        return calls, agrees

    def _beyond(
        self, model: str, messages: list[Message], reported: Split, session: Session
    ) -> tuple[list[ModelCall], bool]:
        closed = [one for one in messages if one.closed]
        open_ = [one for one in messages if not one.closed]
        shown = total_of(one.split for one in messages)
        rest = (reported | shown) - total_of(one.split for one in closed)
        calls = [self._call(one) for one in closed]
        if rest.total:
            calls.append(self._sum(model, rest, open_, session))
        return calls, reported.covers(shown)

    def _sum(
        self,
        model: str,
        split: Split,
        parts: Iterable[Message],
        session: Session | None = None,
    ) -> ModelCall:
        """One call that stands for several, among them ``parts`` as far as they were seen."""
        known = [one.split for one in parts]
        hidden = split - total_of(known)
        lasting = total_of(known).cache_write_1h
        if session is not None and session.own_usage is not None:
            closed = total_of(one.split for one in session.seen() if one.closed)
            lasting = max(lasting, (session.own_usage - closed).cache_write_1h)
        split = Split(split.input, split.cache_read, split.cache_write, split.output, None, lasting)
        most = max([hidden.taken_in, *(one.taken_in for one in known)])
        sound = session is None or session.sound
        return model_call(self._provider, model, split, most_input=most, sound=sound)

    def _call(self, message: Message) -> ModelCall:
        return model_call(
            self._provider,
            message.model,
            message.split,
            response_id=message.id,
            exactness=Exactness.EXACT if message.closed else Exactness.PARTIAL,
            sound=message.sound,
        )
