"""A session of Claude Code as its stream shows it: its messages, and what its results sum up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from autopack.agents.usage_reading import NOTHING, Json, Report, Split, part, text, total_of

_SYNTHETIC = "<synthetic>"
"""Whose messages the program writes itself."""


@dataclass
class Message:
    """One call as the stream shows it; ``closed`` once its output is known."""

    id: str | None
    model: str
    mark: str | None
    split: Split = NOTHING
    closed: bool = False
    sound: bool = True

    def take(self, usage: Json) -> None:
        seen, sound = _of_message(usage)
        self.sound = self.sound and sound
        if self.closed:
            seen = Split(
                seen.input, seen.cache_read, seen.cache_write, 0, None, seen.cache_write_1h
            )
        self.split |= seen

    def close(self, usage: Json) -> None:
        """Put the output that was reported in place of the placeholder."""
        seen, sound = _of_message(usage)
        self.sound = self.sound and sound
        output = max(seen.output, self.split.output) if self.closed else seen.output
        self.split = replace(self.split | seen, output=output)
        self.closed = True


@dataclass
class Session:
    """What one session showed, and what its results say of it."""

    messages: list[Message] = field(default_factory=list["Message"])
    by_id: dict[str, Message] = field(default_factory=dict[str, Message])
    open: dict[str | None, Message] = field(default_factory=dict["str | None", Message])
    reported: dict[str, Split] = field(default_factory=dict[str, Split])
    reports_models: bool = False
    own_usage: Split | None = None
    sound: bool = True
    ended: bool = False

    def add(self, message: Json, model: str, mark: str | None) -> Message:
        """Return the call that a message belongs to: the one of its id, else a new one."""
        identity = text(message, "id")
        known = None if identity is None else self.by_id.get(identity)
        # A server may give two answers one id; the stream's own marks tell them apart.
        is_new = known is None or (mark is not None and known.mark not in (None, mark))
        if known is None or is_new:
            known = Message(identity, text(message, "model") or model, mark)
            self.messages.append(known)
            if identity is not None:
                self.by_id[identity] = known
        known.take(part(message, "usage"))
        self.ended = False
        return known

    def conclude(self, event: Json) -> None:
        """Take in a result: the entries of a model add up, of several results the largest count."""
        self.ended = True
        models = part(event, "modelUsage")
        self.reports_models = self.reports_models or isinstance(event.get("modelUsage"), dict)
        told: defaultdict[str, Split] = defaultdict(Split)
        for model in models:
            split, sound = _of_model(part(models, model))
            self.sound = self.sound and sound
            told[plain(model)] += split
        for name, split in told.items():
            self.reported[name] = self.reported.get(name, NOTHING) | split
        usage = part(event, "usage")
        if usage:
            split, sound = _of_message(usage)
            self.own_usage = (self.own_usage or NOTHING) | split
            if not models:
                self.sound = self.sound and sound

    def seen(self) -> list[Message]:
        return [one for one in self.messages if one.split.total or one.model != _SYNTHETIC]


@dataclass(frozen=True)
class Before:
    """What a conversation had told before it was continued.

    A version of the program may show its messages again, and may sum up from the beginning.
    """

    ids: frozenset[str] = frozenset()
    reported: Mapping[str, Split] = field(default_factory=dict[str, Split])
    own_usage: Split = NOTHING

    @classmethod
    def of(cls, sessions: Iterable[Session]) -> Before:
        ids: set[str] = set()
        reported: dict[str, Split] = {}
        own_usage = NOTHING
        for session in sessions:
            ids.update(session.by_id)
            own_usage |= session.own_usage or NOTHING
            for model, split in session.reported.items():
                reported[model] = reported.get(model, NOTHING) | split
        return cls(frozenset(ids), reported, own_usage)

    def beyond(self, session: Session) -> Session:
        """Return a session without the earlier calls that it showed, or has in its sums."""
        if not (self.ids or self.reported or self.own_usage.total):
            return session
        # A server may give a new answer a known id, but that one is announced by the stream.
        messages = [
            one for one in session.messages if one.mark is not None or one.id not in self.ids
        ]
        session = replace(session, messages=messages)
        shown: defaultdict[str, Split] = defaultdict(Split)
        for one in session.seen():
            shown[plain(one.model)] += one.split
        if self.reported and all(
            session.reported.get(model, NOTHING).covers(split + shown[model])
            for model, split in self.reported.items()
        ):
            session.reported = {
                model: split - self.reported.get(model, NOTHING)
                for model, split in session.reported.items()
            }
        own, total = session.own_usage, total_of(shown.values())
        if own is not None and self.own_usage.total and own.covers(self.own_usage + total):
            session.own_usage = own - self.own_usage
        return session


def _of_message(usage: Json) -> tuple[Split, bool]:
    report, lasting = Report(usage), Report(part(usage, "cache_creation"))
    split = Split(
        report.tokens("input_tokens"),
        report.tokens("cache_read_input_tokens"),
        report.tokens("cache_creation_input_tokens"),
        report.tokens("output_tokens"),
        None,
        lasting.tokens("ephemeral_1h_input_tokens"),
    )
    return split, report.sound and lasting.sound


def _of_model(usage: Json) -> tuple[Split, bool]:
    report = Report(usage)
    report.needs("inputTokens", "outputTokens")
    split = Split(
        report.tokens("inputTokens"),
        report.tokens("cacheReadInputTokens"),
        report.tokens("cacheCreationInputTokens"),
        report.tokens("outputTokens"),
    )
    return split, report.sound


def plain(model: str) -> str:
    """Return the model's name without the context size that reports add to it, as in
    ``name[1m]``.
    """
    return model.partition("[")[0]
