"""The ``.git`` an agent gets: its own, borrowing the mirror's objects, with nothing to reach."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from autopack.files.untrusted import remove_tree
from autopack.workspace.git import AUTHOR, EMAIL, Git

_LOGIN = re.compile(r"^((?:https?|ftps?)://)[^/]*@", re.IGNORECASE)

# Commits an agent makes need an identity and must not wait for a passphrase; its git must see
# files as Autopack wrote them.
_CONFIG = f"""
[user]
\tname = {AUTHOR}
\temail = {EMAIL}
[commit]
\tgpgSign = false
[tag]
\tgpgSign = false
[core]
\tautocrlf = false
\tfsmonitor = false
[gc]
\tauto = 0
"""


def prepare(mirror: Git, pristine: Path, id_length: int) -> None:
    """Make the folder that ``install`` copies: no remote, no branch, no hook, the user's tags."""
    fresh = pristine.with_name("pristine.new")
    remove_tree(fresh)
    fresh.mkdir(parents=True)
    object_format = "sha256" if id_length == 64 else "sha1"
    Git(folder=fresh).run("init", "--quiet", "--template=", f"--object-format={object_format}", ".")
    made = fresh / ".git"
    with (made / "config").open("a", encoding="utf-8") as config:
        config.write(_CONFIG)
    (made / "info").mkdir(exist_ok=True)
    (made / "objects" / "info" / "alternates").write_text(
        f"{mirror.repository / 'objects'}\n", encoding="utf-8"
    )
    tags = mirror.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")
    (made / "packed-refs").write_text(tags, encoding="utf-8", errors="surrogateescape")
    remove_tree(pristine)
    made.rename(pristine)
    fresh.rmdir()


def install(pristine: Path, git_dir: Path, commit: str, excludes: Path | None) -> None:
    """Put a fresh copy at ``git_dir``, whatever is there, with HEAD detached at ``commit``.

    It ignores what ``excludes`` lists, as Autopack does.
    """
    remove_tree(git_dir)
    shutil.copytree(pristine, git_dir)
    if excludes is not None:
        shutil.copyfile(excludes, git_dir / "info" / "exclude")
    (git_dir / "HEAD").write_text(f"{commit}\n", encoding="ascii")


def install_submodule(
    pristine: Path, git_dir: Path, commit: str, excludes: Path | None, url: str
) -> None:
    """As ``install`` for a submodule: without the tags, and ``url`` is its origin.

    Without a login: the address of the user's repository, which such URLs may be relative to, may
    hold one.
    """
    install(pristine, git_dir, commit, excludes)
    (git_dir / "packed-refs").unlink(missing_ok=True)
    escaped = _LOGIN.sub(r"\1", url).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    remote = (
        f'[remote "origin"]\n\turl = "{escaped}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
    )
    with (git_dir / "config").open("a", encoding="utf-8", errors="surrogateescape") as config:
        config.write(remote)
