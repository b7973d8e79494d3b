"""A tool looked for the project's manifest in a folder that does not hold it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePosixPath

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal
from autopack.repair.patterns.worktree_files import holding, relative_to_root
from autopack.toolchains.toolchain_registry import manifest_patterns, toolchains

_WILD = r"[\w.-]{0,40}"


@cache
def _missed() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return what the tools of all toolchains say, and the manifest where they do not name it."""
    names = (re.escape(name).replace(r"\*", _WILD) for name in manifest_patterns())
    path = rf"(?P<path>(?:[^'\"`\n]{{0,300}}[/\\])?(?:{'|'.join(names)}))"
    return tuple(
        (re.compile(each.said.replace("{path}", path), re.MULTILINE), each.manifest)
        for one in toolchains()
        for each in one.missed
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
    """Return the path or the name of the manifest that a tool missed, with forward slashes."""
    found = [(hit, manifest) for said, manifest in _missed() if (hit := said.search(text))]
    # A path says more than a name, and of several the first was there before the others.
    found.sort(key=lambda each: (bool(each[1]), each[0].start()))
    for hit, manifest in found:
        return manifest or hit["path"].replace("\\", "/")
    return None


def _is_there(evidence: Evidence, reported: str) -> bool:
    """Return whether the manifest lies where the command looked: then the folder was not
    the fault.
    """
    if evidence.root is None:
        return False
    started_in = evidence.failed.path if evidence.failed else "."
    place = relative_to_root(evidence.root / started_in, reported)
    if place is None:
        place = relative_to_root(evidence.root, reported)
        return place is not None and (evidence.root / place).exists()
    return (evidence.root / started_in / place).exists()


def _nearest(evidence: Evidence, manifest: str) -> str | None:
    """Return the folder that holds the manifest, if one is clearly the nearest to the root."""
    found = holding(evidence.tree, manifest)
    depths = [len(PurePosixPath(folder).parts) for folder in found]
    unique = len(found) == 1 or (len(found) > 1 and depths[0] < depths[1])
    return found[0] if unique else None
