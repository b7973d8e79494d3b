"""Where a run's work happens: the user's repository, its mirror, workspaces, remotes."""

from autopack.model.path_patterns import matches
from autopack.process.leftovers import end, find, marker_env
from autopack.process.supervisor import (
    Exit,
    Supervisor,
    head_and_tail,
    tail,
)
from autopack.workspace.changes import GITLINK, SYMLINK, Change
from autopack.workspace.git import Git
from autopack.workspace.mirror import Mirror
from autopack.workspace.scope import Violation, check_scope, missing_deliverables
from autopack.workspace.source import SourceRepository
from autopack.workspace.workspace import Snapshot, Workspace

__all__ = [
    "GITLINK",
    "SYMLINK",
    "Change",
    "Exit",
    "Git",
    "Mirror",
    "Snapshot",
    "SourceRepository",
    "Supervisor",
    "Violation",
    "Workspace",
    "check_scope",
    "end",
    "find",
    "head_and_tail",
    "marker_env",
    "matches",
    "missing_deliverables",
    "tail",
]
