"""The pull request of a run that succeeded: found again by its branch, opened, kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autopack.model.errors import BadInput, GitFailed
from autopack.store.rows import RunRow
from autopack.workspace.forge import Forge, PullRequest, forge_of
from autopack.workspace.mirror import Mirror
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository

_MOST_BYTES = 60_000
"""Forges take 65,536 characters or more, and glab is given it as an argument, which systems limit.
"""


@dataclass(frozen=True)
class Report:
    """What a pull request says."""

    title: str
    body: str


def check_pull_request(
    source: SourceRepository, push: str | None, mirror: Mirror, commit: str, run_id: str
) -> None:
    """Raise BadInput, naming ``pr``, when a run could not open a pull request at its end."""
    remote = remote_of(source, push)
    forge_of(remote.address, _folder(source))
    try:
        remote.check(mirror, commit, run_id, is_new=False)
    except BadInput as error:
        raise BadInput(error.message, field="pr", hint=error.hint) from error


def remote_of(source: SourceRepository, push: str | None) -> Remote:
    """Return where the branch of a pull request goes: the run's remote, `origin`, the only one."""
    if push is not None:
        return Remote.named(push, source)
    if source.is_url:
        return Remote(source.location, source.location)
    listed = source.git.run("remote").split()
    name = "origin" if "origin" in listed or len(listed) != 1 else listed[0]
    if name not in listed:
        raise BadInput(
            f"{source.location} has no remote named origin, where a pull request would be",
            field="pr",
            hint="name the remote with --push, or leave --pr out",
        )
    return Remote.named(name, source)


def open_pull_request(
    run: RunRow, mirror: Mirror, report: Report, *, ours: Mapping[str, str], ready: bool
) -> dict[str, Any]:
    """Push the run's branch and have a pull request for it; nothing is done twice, none is merged.

    ``ours`` are the refs of the run's attempts with their commits. Returns its number, url and
    state: created, updated, unchanged, or merged or closed when somebody did that.

    Raises BadInput and GitFailed.
    """
    source = mirror.source
    if run.head_commit is None:
        raise BadInput(f"run {run.run_id} completed nothing", field="pr")
    remote = remote_of(source, run.push)
    forge = forge_of(remote.address, _folder(source))
    moved = remote.push_branch(mirror, run.branch, run.head_commit, ours)
    body = report.body.encode("utf-8", "replace")[:_MOST_BYTES].decode("utf-8", "ignore")
    found = forge.find(run.branch)
    one = next((each for each in found if each.state == "open"), None)
    if one is None and found and found[0].head == run.head_commit:
        return _told(found[0], found[0].state)
    if one is None:
        url = forge.create(run.branch, report.title, body, draft=not ready)
        return {"number": _number(forge, run.branch, url), "url": url, "state": "created"}
    changed = _update(forge, one, report.title, body, ready)
    return _told(one, "updated" if changed or moved else "unchanged")


def _update(forge: Forge, one: PullRequest, title: str, body: str, ready: bool) -> bool:
    standing = one.body.replace("\r\n", "\n").strip()
    changed = (one.title, standing) != (title, body.strip())
    if changed:
        forge.edit(one, title, body)
    if ready and one.is_draft:
        forge.make_ready(one)
        return True
    return changed


def _told(one: PullRequest, state: str) -> dict[str, Any]:
    return {"number": one.number, "url": one.url, "state": state}


def _number(forge: Forge, branch: str, url: str) -> int | None:
    last = url.rstrip("/").rpartition("/")[2]
    return int(last) if last.isdecimal() else next(iter(n.number for n in forge.find(branch)), None)


def _folder(source: SourceRepository) -> Path | None:
    return None if source.is_url else Path(source.location)


def attempt_pull_request(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``work`` returns, or why it failed: a run that succeeded stays one."""
    try:
        return work()
    except (BadInput, GitFailed) as error:
        return {"number": None, "url": None, "state": "failed", "error": error.message}
