"""What every usage parser shares: the result, reading lines in constant memory, adding up."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, ClassVar, Protocol, cast

from autopack.agents.laid_out import is_cut_off, laid_out, told_on
from autopack.files import safe_files
from autopack.model.calls import (
    MOST_TOKENS,
    Exactness,
    ModelCall,
)

Json = dict[str, Any]

LONGEST_LINE = 4 * 1024 * 1024
"""Longer lines hold a file or a picture and are not decoded."""


@dataclass(frozen=True)
class Sums:
    """Tokens summed over calls; None where no call says it."""

    total: int | None
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True)
class Usage:
    """What an agent's output tells.

    ``exactness``: exact when the agent reported to its end and every figure can be true, partial
    when something may be missing (what is counted is true), unknown when nothing was learnt.
    ``said`` is the agent's last word, ``error`` what it ended with instead, ``http_status`` the
    provider's answer behind that error, ``retry_after`` the seconds it asks to wait.
    """

    calls: Sequence[ModelCall]
    total: Sums
    exactness: Exactness
    said: str | None = None
    error: str | None = None
    http_status: int | None = None
    retry_after: float | None = None

    def as_json(self) -> Json:
        """Return the JSON of ``autopack usage parse``."""
        calls = [asdict(call) | {"exactness": call.exactness.value} for call in self.calls]
        return {"calls": calls, "total": asdict(self.total), "exactness": self.exactness.value}


class UsageParser(Protocol):
    """Reads one format, an event at a time.

    ``told_at_the_end``: an agent's standard output says nothing of tokens before it ends.
    """

    told_at_the_end: ClassVar[bool]

    def __init__(self, provider: str, model: str) -> None: ...

    @property
    def markers(self) -> Sequence[bytes]:
        """A line without any of these says nothing about usage and is not decoded."""
        ...

    def read(self, event: Json) -> None:
        """Take in one line of output; an event of another kind is ignored."""
        ...

    def miss(self) -> None:
        """Take note that a line which speaks of usage could not be read."""
        ...

    def usage(self) -> Usage:
        """Return what was learnt so far."""
        ...


class ContinuingParser(UsageParser, Protocol):
    """Reads the format of an agent whose conversations can be continued."""

    def begin(self) -> None:
        """Take all that was read so far for calls of builds before this one."""
        ...


def events(
    source: Path | bytes | BinaryIO, markers: Sequence[bytes], miss: Callable[[], None]
) -> Iterator[Json]:
    """Yield the JSON objects in ``source`` that hold one of ``markers``.

    Most are a line; a program's one report at its end may be an array of them, or stand over
    several lines. Other text may share a line with them: stderr goes to the same file.

    ``miss`` is called for what looks like one and cannot be read: cut off, or too long; and for one
    that is told once on a line of its own and once beside text, as by a program that logs what it
    prints: that may be two calls that are alike, and is taken for one.
    """
    stream = source.open("rb") if isinstance(source, Path) else source
    stream = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    wanted = [*markers, *(marker.replace(b'":"', b'": "') for marker in markers)]
    alone, beside = Counter[int](), Counter[int]()  # by hash: lines may be long
    with stream:
        for line in laid_out(_lines(stream), LONGEST_LINE):
            if not any(marker in line for marker in wanted):
                if is_cut_off(line):
                    miss()
                continue
            told, unread = told_on(line, LONGEST_LINE)
            if any(marker in piece for piece in unread for marker in wanted):
                miss()
            for value, written, is_alone in told:
                own, other = (alone, beside) if is_alone else (beside, alone)
                same = hash(written)
                if written and other[same] > 0:
                    other[same] -= 1
                    miss()
                    continue
                own[same] += 1
                for one in cast("list[object]", value) if isinstance(value, list) else (value,):
                    if isinstance(one, dict):
                        yield cast("Json", one)


def whole(source: Path | bytes | BinaryIO, most: int) -> bytes:
    """Return the beginning of ``source``, up to ``most`` bytes. Raises OSError."""
    stream = source.open("rb") if isinstance(source, Path) else source
    stream = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    with stream:
        return stream.read(most)


def opened(source: Path | bytes) -> BinaryIO | bytes | None:
    """Return a source of usage to read; None for a file that is not there, or is no regular one."""
    if isinstance(source, bytes):
        return source
    try:
        return safe_files.open_read(source)
    except FileNotFoundError:
        return None


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; of one that is too long its beginning, one byte longer than is read."""
    while line := stream.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE + 1)


class Report:
    """One set of figures as an agent reports it.

    ``sound`` turns False at a figure that cannot be true: it is then unknown, which is not 0.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.sound = True

    def tokens(self, name: str) -> int:
        """Return a count; 0 when it is absent or cannot be one."""
        value = self._data.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.sound = False
        elif 0 <= value <= MOST_TOKENS and value == int(value):
            return int(value)
        else:
            self.sound = False
        return 0

    def needs(self, *names: str) -> None:
        """A report without any of these figures tells nothing."""
        if all(self._data.get(name) is None for name in names):
            self.sound = False


def part(data: Json, name: str) -> Json:
    """Return an object inside an object; empty when it is absent or something else."""
    value = data.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}


def text(data: Json, name: str) -> str | None:
    """Words inside an object; None when absent, empty or something else."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def http_status(value: object) -> int | None:
    """Return the status of an answer over HTTP, also where it is told as text; None for anything
    else.
    """
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    is_one = isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599
    return value if is_one and isinstance(value, int) else None


@dataclass(frozen=True)
class Split:
    """The figures of a call or of several; ``input`` excludes cache, ``output`` has reasoning."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int | None = None
    cache_write_1h: int = 0

    @property
    def total(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.output

    @property
    def taken_in(self) -> int:
        return self.input + self.cache_read + self.cache_write

    def __add__(self, other: Split) -> Split:
        return self._with(other, lambda mine, others: mine + others)

    def __sub__(self, other: Split) -> Split:
        """Return what this has beyond ``other``, figure by figure; never below 0."""
        return self._with(other, lambda mine, others: max(mine - others, 0))

    def __or__(self, other: Split) -> Split:
        """Return the larger of the two, figure by figure."""
        return self._with(other, max)

    def covers(self, other: Split) -> bool:
        """Return whether no figure that is paid for is below that of ``other``."""
        names = ("input", "cache_read", "cache_write", "output")
        return all(getattr(self, name) >= getattr(other, name) for name in names)

    def _with(self, other: Split, of: Callable[[int, int], int]) -> Split:
        reasoning = None
        if self.reasoning is not None or other.reasoning is not None:
            reasoning = of(self.reasoning or 0, other.reasoning or 0)
        return Split(
            of(self.input, other.input),
            of(self.cache_read, other.cache_read),
            of(self.cache_write, other.cache_write),
            of(self.output, other.output),
            reasoning,
            of(self.cache_write_1h, other.cache_write_1h),
        )


NOTHING = Split()


def total_of(splits: Iterable[Split]) -> Split:
    """Add up."""
    return sum(splits, NOTHING)


def retry_after(headers: Json) -> float | None:
    """Return the seconds of a provider's ``Retry-After`` header; None when absent or a date."""
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), None)
    try:
        seconds = float(value) if isinstance(value, str | int | float) else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def model_call(
    provider: str,
    model: str,
    split: Split,
    *,
    response_id: str | None = None,
    exactness: Exactness = Exactness.EXACT,
    sound: bool = True,
    most_input: int | None = None,
) -> ModelCall:
    """Return a call in the terms of the ledger; one that is not ``sound`` is known by its total
    only.
    """
    if not sound:
        return ModelCall(
            provider, model, split.total, response_id=response_id, exactness=Exactness.PARTIAL
        )
    reasoning = split.reasoning
    return ModelCall(
        provider=provider,
        model=model,
        total=split.total,
        input=split.input,
        cache_read=split.cache_read,
        cache_write=split.cache_write,
        output=split.output,
        reasoning=None if reasoning is None else min(reasoning, split.output),
        response_id=response_id,
        exactness=exactness,
        cache_write_1h=min(split.cache_write_1h, split.cache_write),
        most_input=most_input,
    )


def exactness_of(calls: Sequence[ModelCall], *, all_told: bool) -> Exactness:
    """Return how far ``calls`` can be trusted; nothing counted and not all told is unknown."""
    if all_told:
        return Exactness.EXACT
    return Exactness.PARTIAL if any(call.total for call in calls) else Exactness.UNKNOWN


def add_up(calls: Sequence[ModelCall], exactness: Exactness) -> Sums:
    """Sum over ``calls``. No calls are zero tokens only where that is exact."""
    if exactness is Exactness.UNKNOWN:
        return Sums(None)
    if not calls:
        return Sums(0, 0, 0, 0, 0, 0)

    def known(values: Iterable[int | None]) -> int | None:
        counts = [value for value in values if value is not None]
        return sum(counts) if counts else None

    return Sums(
        total=sum(call.total for call in calls),
        input=known(call.input for call in calls),
        cache_read=known(call.cache_read for call in calls),
        cache_write=known(call.cache_write for call in calls),
        output=known(call.output for call in calls),
        reasoning=known(call.reasoning for call in calls),
    )
