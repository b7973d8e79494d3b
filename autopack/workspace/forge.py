"""Pull requests, by `gh` or `glab`, with the user's own login; nothing is ever merged here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from autopack.model.errors import BadInput, GitFailed
from autopack.settings import process_environment
from autopack.workspace.forge_host import place_of
from autopack.workspace.git import clean_environment
from autopack.workspace.source import without_credentials

_SECONDS = 120.0
_URL = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class PullRequest:
    """One that is there: ``state`` is open, closed or merged, ``head`` the commit it shows."""

    number: int
    url: str
    title: str
    body: str
    is_draft: bool
    state: str
    head: str | None


class Forge(Protocol):
    """A program that knows the pull requests of a repository."""

    program: ClassVar[str]

    def is_logged_in(self) -> bool:
        """Return whether the user has logged in with the program."""
        ...

    def find(self, branch: str) -> Sequence[PullRequest]:
        """Return the pull requests of a head branch, open or not, the newest first."""
        ...

    def create(self, branch: str, title: str, body: str, *, draft: bool) -> str:
        """Open one, and return its address."""
        ...

    def edit(self, found: PullRequest, title: str, body: str) -> None:
        """Replace the title and the body."""
        ...

    def make_ready(self, found: PullRequest) -> None:
        """Take its draft mark away."""
        ...


@dataclass(frozen=True)
class _Program:
    """``repository`` names it to the program, "" where ``folder`` has to say which it is."""

    host: str
    repository: str
    folder: Path | None

    program: ClassVar[str]
    login: ClassVar[tuple[str, ...]]

    def is_logged_in(self) -> bool:
        """Return whether the user has logged in with the program."""
        host = ("--hostname", self.host) if self.host else ()
        return self._run(*self.login, *host).returncode == 0

    def call(self, *words: str, text: str = "") -> str:
        """Return what the program printed. Raises GitFailed with its words."""
        which = ("--repo", self.repository) if self.repository else ()
        done = self._run(*words, *which, text=text)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            said = without_credentials("; ".join(lines[-3:])) or f"status {done.returncode}"
            raise GitFailed(f"{self.program} {' '.join(words[:2])}: {said[:600]}")
        return done.stdout

    def _run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        quiet = {"GH_PROMPT_DISABLED": "1", "NO_COLOR": "1", "GH_NO_UPDATE_NOTIFIER": "1"}
        env = clean_environment(process_environment(), as_user=True) | quiet | {"NO_PROMPT": "1"}
        with tempfile.TemporaryDirectory(prefix="autopack-") as nowhere:
            try:
                return subprocess.run(
                    [shutil.which(self.program, path=env.get("PATH")) or self.program, *words],
                    cwd=self.folder or nowhere,
                    env=env,
                    input=text,
                    capture_output=True,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                raise GitFailed(f"{self.program} {words[0]}: no answer in {_SECONDS:g} s") from late
            except OSError as error:
                raise GitFailed(f"{self.program} cannot be started: {error.strerror}") from error


@dataclass(frozen=True)
class GitHub(_Program):
    """GitHub's `gh`."""

    program: ClassVar[str] = "gh"
    login: ClassVar[tuple[str, ...]] = ("auth", "status")

    def find(self, branch: str) -> Sequence[PullRequest]:
        """Return the pull requests of a head branch, open or not, the newest first."""
        fields = "number,url,title,body,isDraft,state,headRefOid"
        words = ("--head", branch, "--state", "all", "--limit", "20", "--json", fields)
        return _listed(self.call("pr", "list", *words), self._shown)

    @staticmethod
    def _shown(one: dict[str, Any]) -> PullRequest:
        return PullRequest(
            int(one["number"]),
            str(one["url"]),
            str(one["title"]),
            str(one["body"] or ""),
            bool(one["isDraft"]),
            str(one["state"]).lower(),
            one.get("headRefOid"),
        )

    def create(self, branch: str, title: str, body: str, *, draft: bool) -> str:
        """Open one, and return its address."""
        words = ("--head", branch, "--title", title, "--body-file", "-")
        return _address(
            self.call("pr", "create", *words, *(["--draft"] if draft else []), text=body)
        )

    def edit(self, found: PullRequest, title: str, body: str) -> None:
        """Replace the title and the body."""
        words = (str(found.number), "--title", title, "--body-file", "-")
        self.call("pr", "edit", *words, text=body)

    def make_ready(self, found: PullRequest) -> None:
        """Take its draft mark away."""
        self.call("pr", "ready", str(found.number))


@dataclass(frozen=True)
class GitLab(_Program):
    """GitLab's `glab`, whose merge requests are pull requests here."""

    program: ClassVar[str] = "glab"
    login: ClassVar[tuple[str, ...]] = ("auth", "status")

    def find(self, branch: str) -> Sequence[PullRequest]:
        """Return the merge requests of a source branch, open or not, the newest first."""
        words = ("--source-branch", branch, "--all", "--output", "json")
        return _listed(self.call("mr", "list", *words), self._shown)

    @staticmethod
    def _shown(one: dict[str, Any]) -> PullRequest:
        return PullRequest(
            int(one["iid"]),
            str(one["web_url"]),
            str(one["title"]).removeprefix("Draft: "),
            str(one["description"] or ""),
            bool(one.get("draft")),
            {"opened": "open"}.get(str(one["state"]), str(one["state"])),
            one.get("sha"),
        )

    def create(self, branch: str, title: str, body: str, *, draft: bool) -> str:
        """Open one, and return its address."""
        words = ("--source-branch", branch, "--title", title, "--description", body, "--yes")
        return _address(self.call("mr", "create", *words, *(["--draft"] if draft else [])))

    def edit(self, found: PullRequest, title: str, body: str) -> None:
        """Replace the title and the body."""
        named = f"Draft: {title}" if found.is_draft else title
        self.call("mr", "update", str(found.number), "--title", named, "--description", body)

    def make_ready(self, found: PullRequest) -> None:
        """Take its draft mark away."""
        self.call("mr", "update", str(found.number), "--ready")


def forge_of(address: str, folder: Path | None) -> Forge:
    """Return the program for the remote at ``address``; ``folder`` is the user's checkout.

    Raises BadInput when none is installed or logged in, and says what to do.
    """
    host, path = place_of(address) or ("", "")
    repository = f"{host}/{path}" if host else ""
    gh = GitHub(host, repository, folder)
    glab = GitLab(host, f"https://{repository}" if repository else "", folder)
    order: list[Forge] = [glab, gh] if "gitlab" in host else [gh, glab]
    if host in ("github.com", "gitlab.com"):
        order = order[:1]
    path_there = process_environment().get("PATH")
    there = [one for one in order if shutil.which(one.program, path=path_there)]
    names = " or ".join(one.program for one in order)
    if not there:
        raise BadInput(
            f"a pull request needs {names}, which is not installed",
            field="pr",
            hint=f"install {names} and log in, or leave --pr out",
        )
    for one in there:
        if one.is_logged_in():
            return one
    asked = " and ".join(one.program for one in there) + (" is" if len(there) == 1 else " are")
    raise BadInput(
        f"{asked} not logged in{f' to {host}' if host else ''}",
        field="pr",
        hint=f"{there[0].program} auth login",
    )


def _listed(printed: str, shown: Callable[[dict[str, Any]], PullRequest]) -> Sequence[PullRequest]:
    try:
        found: object = json.loads(printed or "[]")
        return [shown(one) for one in cast("list[dict[str, Any]]", found)]
    except (ValueError, KeyError, TypeError) as error:
        raise GitFailed(
            f"the list of pull requests is in no form that is known: {printed.strip()[:200]!r}"
        ) from error


def _address(printed: str) -> str:
    found = _URL.findall(printed)
    if not found:
        raise GitFailed(f"no address of a pull request was told: {printed.strip()[:200]!r}")
    return found[-1]
