"""What every usage parser shares: the result, reading lines in constant memory, adding up."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

from autopack.builders.protocol import Exactness, ModelCall

Json = dict[str, Any]

LONGEST_LINE = 4 * 1024 * 1024
"""Lines beyond this hold a file or a picture, never a usage figure; they are skipped."""


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

    ``exactness``: exact when the agent reported to its end, partial when it was cut off (what is
    counted is true, a call under way may be missing), unknown when nothing can be learnt.
    ``said`` is the agent's last word, ``error`` what it ended with instead, ``http_status`` the
    provider's answer behind that error.
    """

    calls: Sequence[ModelCall]
    total: Sums
    exactness: Exactness
    said: str | None = None
    error: str | None = None
    http_status: int | None = None

    def as_json(self) -> Json:
        """The JSON of ``autopack usage parse``."""
        calls = [asdict(call) | {"exactness": call.exactness.value} for call in self.calls]
        return {"calls": calls, "total": asdict(self.total), "exactness": self.exactness.value}


class UsageParser(Protocol):
    """Reads one format, an event at a time."""

    @property
    def markers(self) -> Sequence[bytes]:
        """A line without any of these says nothing about usage and is not decoded."""
        ...

    def read(self, event: Json) -> None:
        """Take in one line of output; an event of another kind is ignored."""
        ...

    def usage(self) -> Usage:
        """What was learnt so far."""
        ...


def events(source: Path | bytes, markers: Sequence[bytes]) -> Iterator[Json]:
    """The JSON objects among the lines of ``source`` that hold one of ``markers``."""
    stream: IO[bytes] = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
    with stream:
        for line in _lines(stream):
            if any(marker in line for marker in markers):
                try:
                    event: object = json.loads(line)
                except (ValueError, RecursionError):
                    continue  # other output, or cut off
                if isinstance(event, dict):
                    yield cast("Json", event)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE)


def tokens(data: Json, name: str) -> int:
    """A count from an agent's report; 0 when it is absent or no count."""
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def part(data: Json, name: str) -> Json:
    """An object inside an object; empty when it is absent or something else."""
    value = data.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}


def text(data: Json, name: str) -> str | None:
    """Words inside an object; None when absent, empty or something else."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def split_call(
    provider: str,
    model: str,
    *,
    input: int,  # noqa: A002 - the ledger's word
    cache_read: int,
    cache_write: int,
    output: int,
    reasoning: int | None = None,
    response_id: str | None = None,
    exactness: Exactness = Exactness.EXACT,
) -> ModelCall:
    """A call whose split is known; the total follows from it."""
    return ModelCall(
        provider=provider,
        model=model,
        total=input + cache_read + cache_write + output,
        input=input,
        cache_read=cache_read,
        cache_write=cache_write,
        output=output,
        reasoning=reasoning,
        response_id=response_id,
        exactness=exactness,
    )


def add_up(calls: Sequence[ModelCall], exactness: Exactness) -> Sums:
    """Sum over ``calls``. No calls are zero tokens, unless nothing is known of them."""
    if not calls:
        zero = None if exactness is Exactness.UNKNOWN else 0
        return Sums(zero, zero, zero, zero, zero, zero)

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
