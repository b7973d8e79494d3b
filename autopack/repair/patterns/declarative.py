"""A pattern that is declared in a YAML file, as mining generates it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import is_valid_id
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal
from autopack.repair.patterns.line_pattern import LinePattern, words_in
from autopack.repair.signatures.signature import SIGNATURE_VERSION, sign

MITIGATIONS = (
    "none",
    "hint",
    "stop_retrying",
    "rerun_once",
    "install_declared",
    "run_listed_command",
)
PRIORITY = 100
"""Behind every pattern that is written by hand."""

LEAST_WORDS = 2
"""Words that a pattern must hold: with less it would match what has nothing in common."""

_REQUIRED = ("id", "version", "summary", "signature_version", "literal", "regex", "mitigation")
_OPTIONAL = ("types", "files")


@dataclass(frozen=True)
class DeclarativePattern:
    """Recognises a failure by its telling line, masked as its signature version does it.

    ``literal`` must be in the output before anything else is looked at. ``types`` are the causes
    and ``files`` the files of the repository that it needs; empty for any.
    """

    pattern_id: str
    version: int
    summary: str
    literal: str
    line: LinePattern
    mitigation: str = "none"
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    files: tuple[str, ...] = ()
    priority: int = PRIORITY

    def detect(self, evidence: Evidence) -> Match | None:
        """Recognise the failure, in time linear in the bounded excerpt of its output."""
        if self.literal not in evidence.text:
            return None
        signed = sign(evidence.text)
        if not self.line.matches(signed.normalised):
            return None
        if self.files and (
            evidence.root is None or not all((evidence.root / name).exists() for name in self.files)
        ):
            return None
        return Match(self.pattern_id, self.priority, {"line": signed.line})

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        """Return advice at most: what acts is decided by the state of the pattern."""
        advice = self.arguments.get("advice")
        return Proposal(self.pattern_id, suggestions=(advice,) if advice else ())


def load(path: Path) -> DeclarativePattern:
    """Return the pattern of a file. Raises NotFound, and BadInput naming the field."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file", field="pattern") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}", field="pattern") from error
    try:
        return read(text)
    except BadInput as error:
        error.message = f"{path.name}: {error.message}"
        raise


def read(text: str) -> DeclarativePattern:
    """Return the pattern that a YAML text declares. Raises BadInput naming the field."""
    try:
        body: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput("is not YAML", field="pattern") from error
    if not isinstance(body, dict):
        raise BadInput("is empty or no mapping", field="pattern", hint="declare id, regex, …")
    values = cast("dict[str, Any]", body)
    for name in values:
        if name not in (*_REQUIRED, *_OPTIONAL):
            raise BadInput(f"unknown field {name}", field=str(name))
    for name in _REQUIRED:
        if name not in values:
            raise BadInput(f"{name} is missing", field=name)
    return _checked(values)


def _checked(values: dict[str, Any]) -> DeclarativePattern:
    for name, kind in (("id", str), ("summary", str), ("literal", str), ("regex", str)):
        if not isinstance(values[name], kind) or not values[name]:
            raise BadInput(f"{name} must be text", field=name)
    if not is_valid_id(values["id"]):
        raise BadInput(f"id {values['id']!r} is not valid", field="id")
    if not isinstance(values["version"], int) or values["version"] < 1:
        raise BadInput("version must be a number from 1", field="version")
    if values["signature_version"] != SIGNATURE_VERSION:
        raise BadInput(
            f"signature_version is {values['signature_version']}, this Autopack masks lines as"
            f" version {SIGNATURE_VERSION} does",
            field="signature_version",
            hint="mine again, and expand what is still there",
        )
    line = LinePattern.parse(values["regex"])
    if len(words_in(line)) < LEAST_WORDS:
        raise BadInput("regex holds less than two words: it would match too much", field="regex")
    if not any(values["literal"] in literal for literal in line.literals):
        raise BadInput("literal is no part of the regex", field="literal")
    mitigation, arguments = _mitigation(values["mitigation"])
    files: object = values.get("files", [])
    if not isinstance(files, list) or not all(
        isinstance(each, str) for each in cast("list[object]", files)
    ):
        raise BadInput("files must be a list of paths", field="files")
    return DeclarativePattern(
        pattern_id=values["id"],
        version=values["version"],
        summary=values["summary"],
        literal=values["literal"],
        line=line,
        mitigation=mitigation,
        arguments=arguments,
        files=tuple(cast("list[str]", files)),
    )


def _mitigation(declared: object) -> tuple[str, dict[str, Any]]:
    body = cast("dict[str, Any]", declared) if isinstance(declared, dict) else {"name": declared}
    name = body.get("name")
    if name not in MITIGATIONS:
        raise BadInput(
            f"unknown mitigation: {name}",
            field="mitigation",
            hint=f"use one of {', '.join(MITIGATIONS)}",
        )
    arguments = {key: value for key, value in body.items() if key != "name"}
    advice = arguments.get("advice", "")
    if set(arguments) - {"advice"} or not isinstance(advice, str):
        raise BadInput("mitigation takes `advice`, a text", field="mitigation")
    return name, arguments
