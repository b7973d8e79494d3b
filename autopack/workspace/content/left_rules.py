"""Rules of git's that an agent left: how files are written, and which of them are ignored.

git follows what lies in a folder where the commit to be written has no such file. Files would be
written otherwise than the commit has them, and what an agent left would outlive every cleaning.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from pathlib import Path

from autopack.files.untrusted import remove_tree
from autopack.workspace.git import Git

_RULES = (".gitattributes", ".gitignore")


def drop_left_rules(root: Path, folders: Iterable[str], kept: Container[str]) -> None:
    """Remove the rules in ``root`` and its ``folders``, paths of a commit, but those ``kept``."""
    for folder in ("", *folders):
        for name in _RULES:
            path = f"{folder}/{name}" if folder else name
            if path not in kept and os.path.lexists(root / path):
                remove_tree(root / path)


def drop_rules_left_in(git: Git, commit: str) -> None:
    """Do the same for the files of ``git``, with all that ``commit`` has."""
    entries = git.run("ls-tree", "-r", "-t", "-z", commit).split("\0")[:-1]
    listed = [entry.partition("\t") for entry in entries]
    folders = [path for facts, _, path in listed if facts.split(" ")[1] == "tree"]
    drop_left_rules(git.files, folders, {path for _, _, path in listed})
