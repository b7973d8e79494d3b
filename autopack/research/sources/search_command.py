"""A search command of the user's as a source: one JSON object a line, bounded in time and size.

The command is run without a shell. ``{query}`` among its words stands for the query, which else
is its last argument; it also gets it as AUTOPACK_QUERY. Each line it prints is an object with a
``text``, and perhaps a ``title``: other keys are kept out.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from autopack.files import safe_files
from autopack.process.child_environment import child_environment
from autopack.process.limits import Limit
from autopack.process.run_options import RunOptions
from autopack.process.supervisor import Exit, Supervisor
from autopack.research.sources.kept_results import KeptResults
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    SourceFailure,
)
from autopack.research.sources.waiting import finish
from autopack.settings import QUERY, process_environment

MOST_OUTPUT = 4 * 1024 * 1024
_PLACE = "{query}"
_LONGEST_QUERY = 2_000


class CommandSource:
    """The results that ``argv`` prints."""

    def __init__(
        self, name: str, argv: Sequence[str], *, folder: Path | None, seconds: float
    ) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._folder = folder
        self._seconds = seconds
        self._results = KeptResults(name, "command", shlex.join(argv))
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return what the command finds, in its order; results before a failure count."""
        asked = " ".join(query.text.split())[:_LONGEST_QUERY]
        ended, printed = self._run(asked)
        texts = list(_texts(printed))
        failure = self._failure(ended, printed, has_texts=bool(texts))
        if failure is not None:
            if not texts:
                raise failure
            if failure.message not in {each.message for each in self.failures}:
                self.failures.append(failure)
        return self._results.passages(texts, query)

    def read(self, locator: str) -> bytes:
        """Return a result that was printed since this source was made."""
        return self._results.read(locator)

    def _run(self, asked: str) -> tuple[Exit, bytes]:
        words = [word.replace(_PLACE, asked) for word in self._argv]
        if not any(_PLACE in word for word in self._argv):
            words.append(asked)
        env = child_environment(process_environment())
        env[QUERY.name] = asked
        with tempfile.TemporaryDirectory(prefix="autopack-search-") as folder:
            spool = Path(folder).resolve() / "printed" / "output"
            ended = finish(
                lambda: Supervisor(grace=0.5).run(
                    words,
                    cwd=self._folder or Path(folder),
                    env=env,
                    timeout=self._seconds,
                    spool=spool,
                    options=RunOptions(max_output=MOST_OUTPUT),
                )
            )
            return ended, safe_files.read_bytes(spool, most=2 * MOST_OUTPUT)

    def _failure(self, ended: Exit, printed: bytes, *, has_texts: bool) -> SourceFailure | None:
        if ended.limit is not None:
            kind = FailureKind.TIMED_OUT if ended.limit is Limit.TIME else FailureKind.TOO_LARGE
            return SourceFailure(self.name, kind, f"the command {ended.reason}, and was ended")
        if ended.status != 0:
            said = ended.tail.strip().splitlines()[-1:] or ["it printed nothing"]
            return SourceFailure(
                self.name,
                FailureKind.NOT_FOUND if ended.status == 127 else FailureKind.CRASHED,
                f"the command ended with status {ended.status}: {said[0][:200]}",
            )
        if printed.strip() and not has_texts:
            return SourceFailure(
                self.name,
                FailureKind.WRONG_TYPE,
                'the command printed no line such as {"text": "…"}',
            )
        return None


def _texts(printed: bytes) -> Iterator[str]:
    """Yield the text of every whole line that is an object with one; stderr is among them."""
    for line in printed.split(b"\n"):
        try:
            found: object = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            told = cast("dict[str, Any]", found)
            text, title = told.get("text"), told.get("title")
            if isinstance(text, str) and text.strip():
                yield f"{title}\n\n{text}" if isinstance(title, str) and title.strip() else text
