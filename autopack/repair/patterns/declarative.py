"""A pattern that is declared in a YAML file, as mining generates it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

from autopack.model.causes import FailureCause
from autopack.model.commands import Check
from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import is_valid_id
from autopack.plan.problems import field_name, typed_values
from autopack.plan.values import shown
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

MOST_BYTES = 100_000
LONGEST_ADVICE = 2_000
LEAST_WORDS = 2
"""Words that a pattern must hold: with less it would match what has nothing in common."""

_REQUIRED = ("id", "version", "summary", "signature_version", "literal", "regex", "mitigation")
_OPTIONAL = ("types", "files")


@dataclass(frozen=True)
class DeclarativePattern:
    """Recognises a failure by its telling line, masked as its signature version does it.

    ``literal`` must be in the output before anything else is looked at. ``types`` are the causes
    and ``files`` the files of the repository that it needs; empty for any. What is read from a
    repository (``of_repository``) is measured there alone.
    """

    pattern_id: str
    version: int
    summary: str
    literal: str
    line: LinePattern
    mitigation: str = "none"
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    files: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    priority: int = PRIORITY
    of_repository: bool = False

    def detect(self, evidence: Evidence) -> Match | None:
        """Recognise the failure, in time linear in the bounded excerpt of its output."""
        if self.literal not in evidence.text:
            return None
        signed = sign(evidence.text)
        if not self.line.matches(signed.normalised):
            return None
        if self.types and evidence.cause is not None and evidence.cause not in self.types:
            return None
        if self.files and (
            evidence.root is None or not all((evidence.root / name).exists() for name in self.files)
        ):
            return None
        return Match(self.pattern_id, self.priority, {"line": signed.line})

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        """Return what the mitigation does; whether it may is decided by the pattern's state.

        Commands come from the project's toolchains, or must be listed in the plan's policy.
        """
        advice = self.arguments.get("advice")
        suggestions = (advice,) if advice else ()
        match self.mitigation:
            case "stop_retrying":
                return Proposal(self.pattern_id, stops=True, suggestions=suggestions)
            case "rerun_once":
                return Proposal(self.pattern_id, reruns=True, suggestions=suggestions)
            case "install_declared":
                return Proposal(self.pattern_id, run=_installs(evidence), suggestions=suggestions)
            case "run_listed_command":
                command = tuple(self.arguments["command"])
                return Proposal(self.pattern_id, listed=(command,), suggestions=suggestions)
            case _:
                return Proposal(self.pattern_id, suggestions=suggestions)


def _installs(evidence: Evidence) -> tuple[Check, ...]:
    """Return what installs the projects of the repository, as its toolchains do it."""
    return tuple(Check(found.path, argv) for found in evidence.detected for argv in found.install)


def load(path: Path) -> DeclarativePattern:
    """Return the pattern of a file. Raises NotFound, and BadInput naming file and field."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file", field="pattern") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}", field="pattern") from error
    return read_content(content, str(path))


def read_content(content: bytes, name: str) -> DeclarativePattern:
    """Return the pattern of a file's content. Raises BadInput naming the file and the field."""
    try:
        if len(content) > MOST_BYTES:
            raise BadInput(f"is longer than {MOST_BYTES:,} bytes", field="pattern")
        return read(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: is not UTF-8 text", field="pattern") from error
    except BadInput as error:
        error.message = f"{name}: {error.message}"
        raise


def read(text: str) -> DeclarativePattern:
    """Return the pattern that a YAML text declares. Raises BadInput naming the field."""
    body = typed_values(text, "pattern")
    if not isinstance(body, dict):
        raise BadInput("is empty or no mapping", field="pattern", hint="declare id, regex, …")
    values = cast("dict[str, Any]", body)
    for name in values:
        if name not in (*_REQUIRED, *_OPTIONAL):
            raise BadInput(
                f"unknown field {shown(name)}",
                field=field_name((name,)),
                hint=f"it may have {', '.join((*_REQUIRED, *_OPTIONAL))}",
            )
    for name in _REQUIRED:
        if name not in values:
            raise BadInput(f"{name} is missing", field=name)
    return _checked(values)


def _checked(values: dict[str, Any]) -> DeclarativePattern:
    for name, kind in (("id", str), ("summary", str), ("literal", str), ("regex", str)):
        if not isinstance(values[name], kind) or not values[name]:
            raise BadInput(f"{name} must be text", field=name)
    if not is_valid_id(values["id"]):
        raise BadInput(f"id {shown(values['id'])} is not valid", field="id")
    version: object = values["version"]
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version < 2**31:
        raise BadInput("version must be a number from 1", field="version")
    if values["signature_version"] != SIGNATURE_VERSION:
        raise BadInput(
            f"signature_version is {shown(values['signature_version'])}, this Autopack masks lines"
            f" as version {SIGNATURE_VERSION} does",
            field="signature_version",
            hint="mine again, and expand what is still there",
        )
    line = LinePattern.parse(values["regex"])
    if len(words_in(line)) < LEAST_WORDS:
        raise BadInput("regex holds less than two words: it would match too much", field="regex")
    if not any(values["literal"] in literal for literal in line.literals):
        raise BadInput("literal is no part of the regex", field="literal")
    mitigation, arguments = _mitigation(values["mitigation"])
    files = _texts(values, "files", "paths in the repository")
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise BadInput(f"files: {shown(name)} is not in the repository", field="files")
    types = _texts(values, "types", "causes")
    for name in types:
        if name not in frozenset(FailureCause):
            raise BadInput(
                f"types: unknown cause {shown(name)}",
                field="types",
                hint=f"use some of {', '.join(FailureCause)}",
            )
    return DeclarativePattern(
        pattern_id=values["id"],
        version=version,
        summary=" ".join(values["summary"].split()),
        literal=values["literal"],
        line=line,
        mitigation=mitigation,
        arguments=arguments,
        files=files,
        types=types,
    )


def _texts(values: dict[str, Any], name: str, what: str) -> tuple[str, ...]:
    listed: object = values.get(name) or []
    if not isinstance(listed, list) or not all(
        isinstance(each, str) and each and "\0" not in each for each in cast("list[object]", listed)
    ):
        raise BadInput(f"{name} must be a list of {what}", field=name)
    return tuple(cast("list[str]", listed))


def _mitigation(declared: object) -> tuple[str, dict[str, Any]]:
    body = cast("dict[str, Any]", declared) if isinstance(declared, dict) else {"name": declared}
    name = body.get("name")
    if name not in MITIGATIONS:
        raise BadInput(
            f"unknown mitigation: {shown(name)}",
            field="mitigation",
            hint=f"use one of {', '.join(MITIGATIONS)}",
        )
    arguments = {key: value for key, value in body.items() if key != "name"}
    allowed = {"advice", "command"} if name == "run_listed_command" else {"advice"}
    for key in arguments:
        if key not in allowed:
            raise BadInput(f"mitigation {name} takes no {shown(key)}", field="mitigation")
    advice: object = arguments.get("advice", "")
    if not isinstance(advice, str) or len(advice) > LONGEST_ADVICE:
        raise BadInput(
            f"advice must be a text of at most {LONGEST_ADVICE:,} characters", field="mitigation"
        )
    if name == "hint" and not advice.strip():
        raise BadInput("mitigation hint needs `advice`, a text", field="mitigation")
    if name == "run_listed_command":
        arguments["command"] = _command(arguments.get("command"))
    return name, arguments


def _command(given: object) -> list[str]:
    """Return the words of a command: a text as a shell would split it, or a list."""
    try:
        words: object = shlex.split(given) if isinstance(given, str) else given
    except ValueError as error:
        raise BadInput(f"command cannot be split: {error}", field="mitigation") from error
    if not isinstance(words, list) or not words:
        raise BadInput("mitigation run_listed_command needs `command`", field="mitigation")
    listed = cast("list[object]", words)
    if not all(isinstance(word, str) and "\0" not in word for word in listed):
        raise BadInput("command must be one text, or a list of texts", field="mitigation")
    return cast("list[str]", words)
