"""Filling the submodules of a workspace without touching the user's repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autopack.errors import GitFailed
from autopack.workspace.embedded import gitlinks
from autopack.workspace.files import remove_tree
from autopack.workspace.git import Git, failure
from autopack.workspace.source import SourceRepository


@dataclass(frozen=True)
class _Origin:
    """Where a repository's submodules may come from.

    ``modules`` is the folder with the user's clones of them, ``checkout`` the user's working
    copy, ``url`` what relative URLs start from.
    """

    modules: Path | None
    checkout: Path | None
    url: str

    def places(self, name: str, path: str, url: str) -> list[str]:
        """What to clone from, nearest first: the user's own clones cost no network."""
        places: list[str] = []
        if self.modules is not None and (self.modules / name / "HEAD").is_file():
            places.append(str(self.modules / name))
        elif self.checkout is not None and (self.checkout / path / ".git").exists():
            places.append(str(self.checkout / path))
        return [*places, url]

    def below(self, name: str, path: str, url: str) -> _Origin:
        return _Origin(
            self.modules / name / "modules" if self.modules is not None else None,
            self.checkout / path if self.checkout is not None else None,
            url,
        )


def restore(folder: Path, source: SourceRepository) -> None:
    """Check out every submodule of the checkout in ``folder``, which has a fresh ``.git``.

    They come from the user's own clones of them where there are any, else from their URLs. Raises
    GitFailed naming the submodule when neither works.
    """
    origin = _Origin(
        source.common_dir / "modules" if source.common_dir is not None else None,
        None if source.is_url else Path(source.location),
        source.remote_url(),
    )
    _fill(folder, origin)


def _fill(folder: Path, origin: _Origin) -> None:
    links = set(gitlinks(Git(folder=folder)))
    for name, settings in _declared(folder).items():
        path, url = settings.get("path", ""), settings.get("url", "")
        if path not in links or not url or settings.get("update") == "none":
            continue
        url = absolute_url(url, origin.url)
        _check_out(folder, name, path, origin.places(name, path, url))
        inside = folder / path
        # Left as it is, a push from in here would reach the user's clone.
        Git(folder=inside).run("config", "remote.origin.url", url)
        if (inside / ".gitmodules").is_file():
            _fill(inside, origin.below(name, path, url))


def _declared(folder: Path) -> dict[str, dict[str, str]]:
    listed = Git(folder=folder).run(
        "config", "--file", ".gitmodules", "-z", "--get-regexp",
        r"^submodule\..*\.(path|url|update)$",
        check=False,
    )  # fmt: skip
    declared: dict[str, dict[str, str]] = {}
    for entry in listed.split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        name, _, setting = key.removeprefix("submodule.").rpartition(".")
        # git refuses such names as well: they would leave the folder of clones.
        if ".." not in name.split("/"):
            declared.setdefault(name, {})[setting] = value
    return declared


def _check_out(folder: Path, name: str, path: str, places: list[str]) -> None:
    failed = GitFailed(f"submodule {name}: nowhere to get it from")
    for place in places:
        # Files of the last attempt, whose repository went with the old .git.
        remove_tree(folder / path)
        (folder / path).mkdir(parents=True)
        args = (
            "-c", "protocol.file.allow=always", "-c", "core.autocrlf=false",
            "-c", f"submodule.{name}.url={place}", "-c", f"submodule.{name}.active=true",
            "submodule", "--quiet", "update", "--checkout", "--", path,
        )  # fmt: skip
        done = Git(folder=folder, as_user=True).call(*args, timeout=3600.0)
        if done.status == 0:
            return
        said = failure(("submodule update",), done).message
        failed = GitFailed(
            f"submodule {name} cannot be checked out from {place}: {said}",
            hint="run `git submodule update --init --recursive` in your checkout, then try again",
        )
        git_dir = Git(folder=folder).run("rev-parse", "--absolute-git-dir").strip()
        remove_tree(Path(git_dir, "modules", name))
    raise failed


def absolute_url(url: str, base: str) -> str:
    """``url`` as it stands, or resolved against ``base`` when it starts with ./ or ../."""
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            cut = max(base.rfind("/"), base.rfind(":"))
            separator = base[cut] if cut >= 0 else "/"
            base = base[: max(cut, 0)]
            if separator == ":":
                return f"{base}:{url.removeprefix('../')}"
        url = url.split("/", 1)[1]
    return f"{base}/{url}"
