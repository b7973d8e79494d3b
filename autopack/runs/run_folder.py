"""What is in a run's folder under the home: its checkouts and its environment."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from autopack.files import safe_files
from autopack.model.errors import LeaseLost
from autopack.store.leases import Acquired
from autopack.toolchains.toolchain_registry import is_named, steering_files
from autopack.workspace.fence import Fence
from autopack.workspace.mirror import Mirror
from autopack.workspace.workspace import Workspace

_CHECKOUTS, _REMOVED = "work", "removed-"
_SHARED = ("environment", "caches", "final", "review", "uncommitted")


def open_workspace(folder: Path, mirror: Mirror, acquired: Acquired) -> Workspace:
    """Return the checkout of this lease, which has no commit's files before it is reset to one.

    A crashed holder's is taken over, so that what was installed into it is found again; one whose
    holder may still be alive (it only fell silent) is left to it, and a new one is made.
    """
    checkouts = folder / _CHECKOUTS
    safe = acquired.previous is None or acquired.was_released or acquired.previous.is_gone()
    safe_files.make_folder(checkouts, below=folder)
    # An agent may have put other things here.
    existing = [
        path
        for path in (checkouts / name for name in safe_files.names(checkouts))
        if safe_files.is_folder(path) and Workspace.private_folder(mirror.git_dir, path).is_dir()
    ]
    if safe and existing:
        return Workspace.adopt(mirror, existing[-1])
    path = checkouts / f"{acquired.lease.token:06d}"
    if path not in existing:
        safe_files.remove(path)
    return Workspace.adopt(mirror, path)


def remove_misplaced(folder: Path, mirror: Mirror) -> None:
    """Remove what builds left in the folders above their checkouts, and is none of ours.

    Tools look for settings and packages there as well (a pytest.ini, go.work or node_modules): they
    would decide about a commit that lacks them.
    """
    checkouts = folder / _CHECKOUTS
    for name in safe_files.names(checkouts):
        path = checkouts / name
        if not (
            name.startswith(_REMOVED) or Workspace.private_folder(mirror.git_dir, path).is_dir()
        ):
            safe_files.remove(path)
    for name in safe_files.names(folder):
        if name.startswith(".") or is_named(name, steering_files()):
            safe_files.remove(folder / name)


def checkout_left_behind(folder: Path, name: str | None) -> Path | None:
    """Return the checkout that a crashed holder worked in, by its name, or the only one
    there is.
    """
    checkouts = folder / _CHECKOUTS
    there = safe_files.names(checkouts)
    if name is None and len(there) == 1:
        [name] = there
    found = checkouts / name if name in there else None
    # An agent may have put something else in its place.
    return found if found is not None and safe_files.is_folder(found) else None


def remove_workspace(folder: Path, workspace: Workspace, fence: Fence) -> None:
    """Delete the checkout of a run that has ended, and its environment.

    Its spools and its commits stay, and so do checkouts of holders that may still be alive. The
    environment is every holder's: it is taken away only while nobody has come after this one, and
    deleted, which takes long, where nobody looks for it. What cannot be deleted, as it belongs to
    another user, is left.
    """
    with contextlib.suppress(OSError):
        workspace.remove()
    gone = folder / _CHECKOUTS / f"{_REMOVED}{secrets.token_hex(4)}"

    def take_away() -> None:
        for name in _SHARED:
            if name in safe_files.names(folder):
                safe_files.make_folder(gone, below=folder)
                with contextlib.suppress(OSError):
                    safe_files.rename(folder / name, gone / name)

    with contextlib.suppress(LeaseLost):
        fence.hold(take_away)
    with contextlib.suppress(OSError):
        safe_files.remove(gone)
    if not safe_files.names(folder / _CHECKOUTS):
        with contextlib.suppress(OSError):
            safe_files.remove(folder / _CHECKOUTS)
