"""The patterns that a command sees: of this process, its home, and a repository's head commit."""

from __future__ import annotations

from pathlib import Path

from autopack.model.errors import BadInput, GitFailed
from autopack.model.locations import is_folder
from autopack.repair.patterns import FailurePattern
from autopack.repair.patterns.declarative import DeclarativePattern
from autopack.repair.patterns.pattern_files import of_commit
from autopack.repair.patterns.pattern_registry import enabled_patterns
from autopack.settings import process_environment
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository


def loaded_patterns(repo: Path | None = None) -> tuple[FailurePattern, ...]:
    """Return the patterns that are on, with those of a repository's head commit where one is named.

    Raises BadInput for a file that declares no pattern, naming it and its field.
    """
    return enabled_patterns(process_environment(), () if repo is None else of_head(repo))


def of_head(repo: Path) -> tuple[DeclarativePattern, ...]:
    """Return the patterns of a folder's head commit; none where it is in no repository."""
    git = Git(folder=repo, as_user=True)
    try:
        head = git.run("rev-parse", "--verify", "HEAD^{commit}").strip()
    except (GitFailed, OSError):
        return ()
    return of_commit(git, head)


def location_of(repo: Path) -> str:
    """Return what runs of a repository call it. Raises BadInput naming ``repo``."""
    if not is_folder(repo):
        raise BadInput(f"{repo} is not a folder", field="repo", hint="name a git repository")
    return SourceRepository.open(str(repo)).location
