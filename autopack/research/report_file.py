"""Reading a report of research back: its evidence, and where its sentences cite it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from autopack.model.errors import BadInput
from autopack.research.evidence import Evidence
from autopack.research.kept_bytes import EmbeddedBytes, KeptBytes

MOST_BYTES = 64 * 1024 * 1024
BESIDE = "kept"
"""The folder beside a report that may hold the bytes which it does not carry itself."""
_HINT = "use the JSON that `autopack research run --json` prints"


@dataclass(frozen=True)
class Citation:
    """Evidence as used in a sentence: ``number`` is from 1, ``where`` its place in the report."""

    where: str
    number: object
    text: object
    excerpt: object
    locator: object


@dataclass(frozen=True)
class ReportFile:
    """What is checked again of a report."""

    report_id: str | None
    evidence: tuple[Evidence, ...]
    citations: tuple[Citation, ...]
    kept: tuple[EmbeddedBytes | KeptBytes, ...]

    def bytes_of(self, name: str | None) -> bytes | None:
        """Return the content of a SHA-256, from the report or from beside it."""
        if name is None:
            return None
        found = (content for each in self.kept if (content := each.get(name)) is not None)
        return next(found, None)


def read_report(path: Path) -> ReportFile:
    """Return what ``path`` holds. Raises BadInput naming what cannot be read of it."""
    report = _object(_loaded(path), "report")
    listed = report.get("evidence")
    if not isinstance(listed, list):
        raise BadInput(f"{path} has no list of evidence", field="evidence", hint=_HINT)
    evidence = tuple(
        Evidence.from_json(one, field=f"evidence[{number}]")
        for number, one in enumerate(cast("list[object]", listed))
    )
    report_id = report.get("report_id")
    folder = path.resolve().parent
    return ReportFile(
        report_id if isinstance(report_id, str) else None,
        evidence,
        tuple(_citations(report)),
        (EmbeddedBytes.from_json(report.get("kept", {})), KeptBytes(folder / BESIDE)),
    )


def _citations(report: Mapping[str, Any]) -> list[Citation]:
    """Return what the findings cite. Raises BadInput for findings that are none."""
    found: list[Citation] = []
    for at, finding in enumerate(_list(report.get("findings", []), "findings")):
        where = f"findings[{at}]"
        sentences = _list(_object(finding, where).get("sentences", []), f"{where}.sentences")
        for number, sentence in enumerate(sentences):
            place = f"{where}.sentences[{number}]"
            told = _object(sentence, place)
            parts = (told.get(name) for name in ("citation", "text", "excerpt", "locator"))
            found.append(Citation(place, *parts))
    return found


def _loaded(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise BadInput(f"{path} is longer than a report can be", field="report")
        return json.loads(content)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", field="report") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON: {error}", field="report", hint=_HINT) from error


def _object(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{field}: use an object", field=field, hint=_HINT)
    return cast("Mapping[str, Any]", value)


def _list(value: object, field: str) -> list[object]:
    if not isinstance(value, list):
        raise BadInput(f"{field}: use a list", field=field, hint=_HINT)
    return cast("list[object]", value)
