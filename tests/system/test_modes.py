"""What Autopack keeps is its user's alone, also where that is an ordinary user.

What `up` and `demo` leave of whoever runs the tests is looked at where they are tested.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.modes import ORDINARY, open_to_others, ordinary_user
from support.processes import AUTOPACK, Machine
from support.projects import call, make_project

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")]


@dataclass(frozen=True)
class User:
    """Somebody with a home, and the words before a command of theirs."""

    folder: Path
    words: tuple[str, ...]
    environment: dict[str, str]

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start `autopack ARGS` with everything open by the umask."""
        return subprocess.Popen(
            [*self.words, AUTOPACK, *args],
            env=self.environment,
            cwd=self.folder,
            umask=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: str) -> dict[str, object]:
        """Run `autopack ARGS --json` to its end; returns what it answered."""
        process = self.start(*args, "--json")
        said, complained = process.communicate(timeout=300)
        assert process.returncode == 0, complained[-2000:]
        return json.loads(said)


@pytest.fixture
def user() -> Iterator[User]:
    """A user without any rights."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        words = ordinary_user()
        if words:
            shutil.chown(folder, ORDINARY)
        own = {"HOME": str(folder), "TMPDIR": str(folder), "DATABASE_URL": ""}
        yield User(folder, tuple(words), Machine(folder / "home", "", None).environment(**own))


def test_what_up_and_run_leave_is_their_users_alone(user: User) -> None:
    project = make_project(user.folder / "project", {"one": [[call(5), {"files": {"a": "1"}}]]})
    if user.words:
        subprocess.run(["chown", "-R", ORDINARY, user.folder / "project"], check=True)
    above = stat.S_IMODE(user.folder.stat().st_mode)
    home = user.folder / "home"

    up = user.start("up", "--json")
    assert up.stdout is not None
    try:
        log = home / "stack" / "server.log"
        said = up.stdout.readline()
        assert said.startswith('{"ui_url"'), (up.communicate()[1], log.read_text()[-2000:])
        words = ("--repo", str(project.repository), "--set", f"recording={project.recording}")
        ran = user.run("run", str(project.plan), *words)
        assert ran["state"] == "DONE_SUCCESS"
        assert open_to_others(home) == {}
    finally:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)

    assert open_to_others(home) == {}
    assert stat.S_IMODE(user.folder.stat().st_mode) == above, "a folder above was opened"
    assert (home / "autopack.db").is_file()


@pytest.mark.full
def test_what_demo_leaves_is_its_users_alone(user: User) -> None:
    user.run("demo")
    assert open_to_others(user.folder / "home") == {}
