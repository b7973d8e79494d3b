"""Readers of the parts of a manifest that are about tests; what cannot be read counts whole."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from typing import Any, cast

from autopack.toolchains.toolchain import Sections


def toml_tables(*wanted: tuple[str, ...]) -> Sections:
    """Return what reads the tables at these paths of a TOML file."""

    def sections(content: bytes | None) -> Any:
        if content is None:
            return {}
        try:
            document = tomllib.loads(content.decode("utf-8"))
        except (ValueError, RecursionError):
            return content
        return {path: found for path in wanted if (found := _at(document, path)) is not None}

    return sections


def ini_sections(name: str) -> Sections:
    """Return what reads the sections of an INI file whose whole name fits ``name``."""

    def sections(content: bytes | None) -> Any:
        if content is None:
            return {}
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(content.decode("utf-8"))
        except (configparser.Error, ValueError):
            return content
        return {
            section: parser.items(section)
            for section in parser.sections()
            if re.fullmatch(name, section)
        }

    return sections


def json_keys(*keys: str, scripts: str) -> Sections:
    """Return what reads these keys of a JSON object, and its scripts whose name has ``scripts``,
    with those that they name.
    """

    def sections(content: bytes | None) -> Any:
        if content is None:
            return {}
        try:
            document: Any = json.loads(content)
        except (ValueError, RecursionError):
            return content
        if not isinstance(document, dict):
            return content
        package = cast("dict[str, Any]", document)
        named: Any = package.get("scripts")
        commands = cast("dict[str, Any]", named) if isinstance(named, dict) else {}
        return (
            {key: package[key] for key in keys if key in package},
            _with_named(commands, {name for name in commands if re.search(scripts, name)}),
        )

    return sections


def _with_named(commands: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Return the wanted scripts, and those whose names stand in them."""
    left, found = set(wanted), set[str]()
    while left:
        name = left.pop()
        found.add(name)
        words = set(re.findall(r"[\w:.@/-]+", str(commands[name])))
        left |= (words & commands.keys()) - found
    return {name: command for name, command in commands.items() if name in found}


def blocks(pattern: str) -> Sections:
    """Return what reads the lines of a text that fit ``pattern``, each with those indented below.

    Of a Makefile that is a rule with its recipe, of a script in braces a block.
    """
    wanted = re.compile(pattern)

    def sections(content: bytes | None) -> Any:
        found: list[str] = []
        depth: int | None = None
        for line in (content or b"").decode("utf-8", "replace").splitlines():
            if not line.strip():
                continue
            indent = len(line) - len(line.lstrip())
            if depth is not None and indent <= depth:
                depth = None
            if depth is None and wanted.search(line):
                depth = indent
            if depth is not None:
                found.append(line.rstrip())
        return found

    return sections


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, Any]", document).get(key)
    return document
