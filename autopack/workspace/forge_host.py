"""At which host a remote is, and under which path: the names that users gave to both resolved."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from autopack.model.errors import GitFailed
from autopack.model.locations import is_url
from autopack.settings import process_environment, program_environment
from autopack.workspace.git import Git, clean_environment

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9._-]+)"
    r"(?::\d+/|:/?|/)(?P<path>[^\s]+?)(?:\.git)?/*"
)
# Where they let ssh in when port 22 is closed.
_SSH_DOORS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
_PUBLIC = frozenset({"github.com", "gitlab.com"})
_SECONDS = 10.0


def place_of(address: str) -> tuple[str, str] | None:
    """Return host and path of the remote at ``address``; None where it has no host that others
    know.
    """
    if not is_url(address):
        return None
    found = _ADDRESS.fullmatch(_expanded(address))
    if found is None or found["scheme"] == "file":
        return None
    host = found["host"].lower()
    if found["scheme"] in (None, "ssh", "git+ssh", "ssh+git"):
        host = _behind(host)
    host = _SSH_DOORS.get(host, host)
    if not host[:1].isalnum() or ("." not in host and host != "localhost"):
        return None
    return host, found["path"]


def _expanded(address: str) -> str:
    """Return what git makes of an address by ``url.*.insteadOf`` of the user's settings."""
    git = Git(folder=Path("/"), as_user=True)
    try:
        return git.run("ls-remote", "--get-url", "--", address).strip() or address
    except GitFailed:
        return address


def _behind(host: str) -> str:
    """Return the host that ssh connects to for a name of the user's settings, such as
    ``github.com-work``. One that ssh reaches by another address keeps its name.
    """
    ssh = shutil.which("ssh", path=process_environment().get("PATH"))
    if ssh is None or host in _PUBLIC or not host[:1].isalnum():
        return host
    try:
        told = subprocess.run(
            [ssh, "-G", host],
            env=clean_environment(program_environment(), as_user=True),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return host
    found = re.search(r"^hostname (\S+)$", told, re.MULTILINE)
    real = found[1].lower() if found else host
    is_known = _SSH_DOORS.get(real, real) in _PUBLIC
    is_name = "." in real and not real.replace(".", "").isdigit()
    return real if is_known or ("." not in host and is_name) else host
