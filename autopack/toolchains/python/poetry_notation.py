"""Dependencies as Poetry and Pipenv write them, in the words of pip."""

from __future__ import annotations

import re

from autopack.toolchains.manifests import (
    Table,
    strings,
    table,
    text,
)


def from_poetry(dependencies: Table) -> list[str]:
    """Return a table of dependencies as requirements; Python itself and local paths are
    omitted.
    """
    lines: list[str] = []
    for name, spec in dependencies.items():
        if name.lower() == "python":
            continue
        details = table(spec)
        if details.get("optional") is True or "path" in details:
            continue
        extras = ",".join(strings(details.get("extras")))
        named = f"{name}[{extras}]" if extras else name
        marker = text(details.get("markers"))
        suffix = f"; {marker}" if marker else ""
        if git := text(details.get("git")):
            at = text(details.get("rev")) or text(details.get("tag")) or text(details.get("branch"))
            lines.append(f"{named} @ git+{git}{'@' + at if at else ''}{suffix}")
        elif url := text(details.get("url")):
            lines.append(f"{named} @ {url}{suffix}")
        else:
            lines.append(f"{named}{_range(text(spec) or text(details.get('version')))}{suffix}")
    return lines


def _range(constraint: str) -> str:
    """Return a Poetry constraint as a PEP 440 specifier: ``^1.2`` is ``>=1.2,<2``."""
    if "|" in constraint:
        return ""
    parts = [_one_range(part.strip()) for part in constraint.split(",") if part.strip()]
    return ",".join(part for part in parts if part)


def _one_range(part: str) -> str:
    if part == "*":
        return ""
    if part[0] in "<>!=" or part.startswith("~="):
        return part.replace(" ", "")
    if part[0] not in "^~":
        return f"=={part}"
    version = part[1:].strip()
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    if not numbers:
        return ""
    if part[0] == "~":
        keep = min(len(numbers), 2)
    else:
        # Up to and including the first number that is not zero, as semantic versioning has it.
        keep = next((i + 1 for i, number in enumerate(numbers) if number), len(numbers))
    upper = [*numbers[: keep - 1], numbers[keep - 1] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"
