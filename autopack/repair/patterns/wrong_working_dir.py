"""A tool looked for the project's manifest in a folder that does not hold it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns.files import holding, relative_to_root
from autopack.repair.patterns.protocol import Evidence, Match, Proposal

_NAMES = (
    r"requirements[\w.-]{0,40}\.txt|pyproject\.toml|setup\.py|setup\.cfg|Pipfile"
    r"|package\.json|Cargo\.toml|go\.mod|pom\.xml|build\.gradle(?:\.kts)?"
)
_PATH = rf"(?:[^'\"`\n]{{0,300}}[/\\])?(?:{_NAMES})"

_OPENING = re.compile(
    # pip: Could not open requirements file: [Errno 2] No such file or directory: 'x'
    r"^(?:ERROR: )?Could not open requirements file: [^\n]{0,60}: "
    rf"['\"](?P<pip>{_PATH})['\"]"
    # node and npm: ENOENT: no such file or directory, open '/x/package.json'
    r"|\bENOENT: no such file or directory, (?:open|stat|lstat) "
    rf"['\"`](?P<node>{_PATH})['\"`]"
    # python: can't open file '/x/setup.py': [Errno 2] No such file or directory
    rf"|: can't open file ['\"](?P<python>{_PATH})['\"]: \[Errno 2\]",
    re.MULTILINE,
)
_SAID = (
    ("pyproject.toml", re.compile(r"Neither 'setup\.py' nor 'pyproject\.toml' found", re.I)),
    ("pyproject.toml", re.compile(r"^Poetry could not find a pyproject\.toml file in", re.M)),
    (
        "pyproject.toml",
        re.compile(r"^error: No `pyproject\.toml` found in current directory", re.M),
    ),
    ("package.json", re.compile(r"\bCouldn't find a package\.json file in\b")),
    ("package.json", re.compile(r"ERR_PNPM_NO_(?:IMPORTER_MANIFEST_FOUND|PKG_MANIFEST)")),
    ("Cargo.toml", re.compile(r"^error: could not find `Cargo\.toml` in ", re.M)),
    ("go.mod", re.compile(r"^go: (?:go\.mod file not found in|cannot find main module)", re.M)),
    ("pom.xml", re.compile(r"requires a project to execute but there is no POM in this directory")),
    ("build.gradle", re.compile(r"does not contain a Gradle build\b")),
)


class WrongWorkingDir:
    """A manifest is not where the command ran, though it may be elsewhere in the worktree."""

    pattern_id = "wrong_working_dir"
    priority = 2
    summary = "a manifest was not found: run the command in the folder that holds it"

    def detect(self, evidence: Evidence) -> Match | None:
        reported = _reported(evidence.text)
        if reported is None or _is_there(evidence, reported):
            return None
        captured = {"manifest": PurePosixPath(reported).name}
        folder = _nearest(evidence, captured["manifest"])
        if folder:
            captured["found_in"] = folder
        return Match(self.pattern_id, self.priority, captured)

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        manifest = match.captured["manifest"]
        folder = match.captured.get("found_in")
        if folder is None:
            advice = f"no single folder holds {manifest}: name the folder in the plan's commands"
            return Proposal(self.pattern_id, suggestions=(advice,))
        if evidence.failed is None:
            return Proposal(self.pattern_id, suggestions=(f"run the command in {folder}/",))
        return Proposal(self.pattern_id, recheck=Check(folder, evidence.failed.argv))


def _reported(text: str) -> str | None:
    """The path or the name of the manifest that a tool missed, with forward slashes."""
    opening = _OPENING.search(text)
    if opening:
        path = opening["pip"] or opening["node"] or opening["python"]
        return path.replace("\\", "/")
    return next((name for name, said in _SAID if said.search(text)), None)


def _is_there(evidence: Evidence, reported: str) -> bool:
    """Whether the manifest lies where the command looked: then the folder was not the fault."""
    if evidence.root is None:
        return False
    started_in = evidence.failed.path if evidence.failed else "."
    place = relative_to_root(evidence.root / started_in, reported)
    if place is None:
        place = relative_to_root(evidence.root, reported)
        return place is not None and (evidence.root / place).exists()
    return (evidence.root / started_in / place).exists()


def _nearest(evidence: Evidence, manifest: str) -> str | None:
    """The folder that holds the manifest, if one is clearly the nearest to the root."""
    found = holding(evidence.tree, manifest)
    depths = [len(PurePosixPath(folder).parts) for folder in found]
    unique = len(found) == 1 or (len(found) > 1 and depths[0] < depths[1])
    return found[0] if unique else None
