"""Where the branch of a run is when the user's repository does not have it."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autopack.model.locations import is_url


def where_branch_is(run: Mapping[str, Any], home: Path) -> str | None:
    """Return where the branch of a run (the JSON of `show`) is, and how to get it from there.

    None when there is none yet, or it is in the user's repository and nowhere else. ``home`` is
    this machine's.
    """
    push, commit = run["push"], run["head_commit"]
    if commit is None:
        return None
    if push is not None and push["error"] is None:
        return f"pushed to {push['remote']}"
    if not is_url(run["repo"]):
        return None
    from autopack.workspace.mirror import clone_of  # git and all that goes with it

    clone = clone_of(home, run["repo"])
    if not clone.is_dir():
        return "only in Autopack's clone, on the machine that ran it; --push gives it to a remote"
    # By its commit, for the clone has the refs of attempts, which the last of them is.
    fetch = f"git fetch {shlex.quote(str(clone))} {commit}:refs/heads/{run['branch']}"
    return (
        f"only in Autopack's clone on {socket.gethostname()}: `{fetch}` brings it into yours; "
        "--push gives it to a remote"
    )
