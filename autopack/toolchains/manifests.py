"""Reads manifests into plain values; what cannot be parsed becomes a sentence, not an error."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from xml.etree import ElementTree

from autopack.toolchains.tree import Tree, Unreadable, join

Table = Mapping[str, object]
NOTHING: Table = {}


@dataclass(frozen=True)
class Parsed:
    """What a manifest says. ``problem`` is a sentence for people when it cannot be parsed."""

    data: Table
    problem: str | None = None


def read_toml(tree: Tree, path: str, name: str) -> Parsed:
    """Return a TOML file of the folder ``path``."""
    return _read(tree, path, name, tomllib.loads)


def read_json(tree: Tree, path: str, name: str) -> Parsed:
    """Return a JSON file of the folder ``path``."""
    return _read(tree, path, name, json.loads)


def read_yaml(tree: Tree, path: str, name: str) -> Parsed:
    """Return a YAML file of the folder ``path``."""
    return _read(tree, path, name, _yaml)


def read_ini(tree: Tree, path: str, name: str) -> Parsed:
    """Return an INI file of the folder ``path``: sections of strings."""
    return _read(tree, path, name, _ini)


def read_xml(tree: Tree, path: str, name: str) -> tuple[ElementTree.Element | None, str | None]:
    """Return the root element of an XML file, or None and the problem."""
    try:
        text = tree.read(join(path, name))
        if "<!DOCTYPE" in text:
            raise Unreadable("it declares a document type, which no build file needs")
        # Without a document type there are no entities to expand.
        return ElementTree.fromstring(text), None  # noqa: S314
    except (Unreadable, ElementTree.ParseError) as error:
        return None, f"{name}: cannot be parsed ({error})"


def _read(tree: Tree, path: str, name: str, parse: Callable[[str], object]) -> Parsed:
    try:
        data = parse(tree.read(join(path, name)))
    except (Unreadable, ValueError, RecursionError, configparser.Error) as error:
        reason = str(error).strip().splitlines()
        return Parsed(NOTHING, f"{name}: cannot be parsed ({reason[0] if reason else 'empty'})")
    if data is None:
        return Parsed(NOTHING)
    if not isinstance(data, Mapping):
        return Parsed(NOTHING, f"{name}: cannot be parsed (it is not a table)")
    return Parsed(cast(Table, data))


def _ini(text: str) -> Table:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}


def _yaml(text: str) -> object:
    import yaml

    try:
        # The plainest loader: tables, lists and strings, whatever the tags ask for.
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def table(data: object, *keys: str) -> Table:
    """Return the nested table at ``keys``; empty when there is none of that type."""
    for key in keys:
        data = cast(Table, data).get(key) if isinstance(data, Mapping) else None
    return cast(Table, data) if isinstance(data, Mapping) else NOTHING


def strings(value: object) -> tuple[str, ...]:
    """Return the strings in a list; empty for anything else."""
    if not isinstance(value, list):
        return ()
    return tuple(item for item in cast(list[object], value) if isinstance(item, str))


def text(value: object) -> str:
    """Return a string without surrounding blanks; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""


def without_comments(source: str) -> str:
    """Source of the C family without its comments; strings stay, so that a URL survives."""
    pattern = r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*[\s\S]*?\*/'
    return re.sub(pattern, lambda hit: "" if hit[0][0] == "/" else hit[0], source)


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a relative posix path fits one of the patterns (``**`` spans folders)."""
    return any(_regex(pattern).fullmatch(path) for pattern in patterns)


def _regex(pattern: str) -> re.Pattern[str]:
    parts = pattern.replace("\\", "/").removeprefix("./").rstrip("/").split("/")
    joined = "/".join(".*" if part == "**" else _name_regex(part) for part in parts)
    return re.compile(joined.replace(".*/", "(?:.*/)?"))


def _name_regex(part: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(char) or re.escape(char) for char in part)
