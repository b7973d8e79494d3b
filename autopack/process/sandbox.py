"""Confining programs by bubblewrap: they write where they work, and see nothing of the home.

The rest of the file system is read-only, temporary folders are empty and private, the network
stays. Of the user's home only programs are seen: what PATH leads to, version managers, and what
AUTOPACK_SANDBOX_READABLE names.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.files import safe_files
from autopack.model.errors import BadInput
from autopack.settings import SANDBOX, SANDBOX_READABLE, program_environment
from autopack.toolchains.toolchain_registry import installed_folders, toolchains

VARIABLE = SANDBOX.name
BWRAP = "bwrap"

_BARE = (
    "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--cap-drop", "ALL",
    "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
    # Root could change the machine's settings there, whatever it may do otherwise.
    "--ro-bind", "/proc/sys", "/proc/sys",
)  # fmt: skip
# Through the sockets in /run a program would reach daemons that are not confined.
_HIDDEN = ("/tmp", "/var/tmp", "/run")  # noqa: S108
_NEEDED = ("/run/systemd/resolve", "/run/current-system")
_VERSION_MANAGERS = (".asdf", ".local/share/mise")


def wanted(environ: Mapping[str, str]) -> bool:
    """Return whether programs are to be confined. Raises BadInput for what is neither bwrap nor
    off.
    """
    return SANDBOX.of(environ) == BWRAP


def obstacle(environ: Mapping[str, str]) -> str | None:
    """Return why bubblewrap cannot confine anything here, found by trying; None when it can."""
    program = shutil.which(BWRAP, path=environ.get("PATH"))
    if program is None:
        return f"{BWRAP} is not installed"
    try:
        done = subprocess.run(
            [program, *_BARE, "--", "true"],
            env=program_environment(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{BWRAP} cannot be run: {error}"
    words = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
    return None if done.returncode == 0 else f"{BWRAP} does not work here: {words[:300]}"


def required(environ: Mapping[str, str]) -> str | None:
    """Return the program that ``environ`` asks to be confined by, None when it asks for none.

    Raises BadInput for a value that means nothing, and where bubblewrap does not work.
    """
    if not wanted(environ):
        return None
    problem = obstacle(environ)
    if problem is not None:
        raise BadInput(
            f"{VARIABLE} asks for confinement, and {problem}",
            field=VARIABLE,
            hint=f"install bubblewrap where it may make namespaces, or unset {VARIABLE}",
        )
    return shutil.which(BWRAP, path=environ.get("PATH"))


def said(environ: Mapping[str, str]) -> str | None:
    """Return what `health` says: None when off, ``bwrap``, or ``unavailable: `` and the reason."""
    if not wanted(environ):
        return None
    problem = obstacle(environ)
    return BWRAP if problem is None else f"unavailable: {problem}"


@dataclass(frozen=True)
class Sandbox:
    """``readable`` are the folders that confined programs may read although they lie below one of
    ``hidden``, ``temporary`` their own empty ones. What a program may change is said when it is
    started."""

    program: str
    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    temporary: tuple[Path, ...]

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        home: Path,
        readable: Sequence[Path] = (),
    ) -> Sandbox | None:
        """Return the sandbox that ``environ`` asks for, None when it asks for none.

        ``home`` is Autopack's, hidden but for ``readable``. Raises like
        ``required``.
        """
        program = required(environ)
        if program is None:
            return None
        user = Path.home()
        homes = [path.resolve() for path in (user, home) if path != Path(path.anchor)]
        temporary = {
            Path(environ[name]).resolve() for name in ("TMPDIR", "TMP", "TEMP") if environ.get(name)
        }
        hidden = {path for path in (*map(Path, _HIDDEN), *homes) if path.is_dir()}
        return cls(
            program=program,
            readable=(
                *(path.resolve() for path in readable),
                *(Path(path) for path in _NEEDED),
                *(user / tool for tool in _VERSION_MANAGERS),
                *(user / tool for one in toolchains() for tool in one.readable),
                Path(sys.base_prefix).resolve(),
                *(path.resolve() for path in SANDBOX_READABLE.of(environ)),
            ),
            hidden=tuple(sorted(path.resolve() for path in hidden)),
            temporary=tuple(sorted(path for path in temporary if path.is_dir())),
        )

    def command(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
    ) -> list[str]:
        """``argv`` as bubblewrap runs it. Raises OSError like starting the program itself would.

        ``writable`` are the folders that it may change. They are mounted one by one, so that it
        can neither move them nor reach what lies beside them; a link among them is refused.
        """
        program = _found(argv, cwd, env)
        mounts = [(path, ["--tmpfs", str(path)]) for path in (*self.hidden, *self.temporary)]
        for path in self._shown(program, env) | {path for path in readable if path.exists()}:
            mounts.append((path, ["--ro-bind-try", str(path), str(path)]))
        # Outer folders first: each covers what was mounted below it before.
        mounts.sort(key=lambda mount: len(mount[0].parts))
        words = [self.program, *_BARE, *(word for _, words in mounts for word in words)]
        if self._is_hidden(cwd) and not any(cwd.is_relative_to(path) for path in writable):
            words += ["--dir", str(cwd)]  # to start in, and nothing of what it really holds
        for path in writable:
            if not safe_files.is_folder(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            words += ["--bind", str(path), str(path)]
        return [*words, "--chdir", str(cwd), "--", *argv]

    def _shown(self, program: Path, env: Mapping[str, str]) -> set[Path]:
        """Return what has to be bound again below the hidden folders, which themselves
        never are.
        """
        folders = [Path(entry) for entry in env.get("PATH", os.defpath).split(os.pathsep) if entry]
        found = [*self.readable, *folders, program.parent, _installation(program.resolve())]
        for folder in folders:
            if self._is_hidden(folder) and folder.is_dir():
                found += [
                    _installation(one.resolve()) for one in folder.iterdir() if one.is_symlink()
                ]
        return {path for path in found if self._is_hidden(path) and path not in self.hidden}

    def _is_hidden(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.hidden)


def _installation(program: Path) -> Path:
    """Return the folder that a program was installed into: its packages, its prefix, or its own."""
    modules = [path for path in program.parents if path.name in installed_folders()]
    if modules:
        return modules[-1]
    prefix = program.parent.parent
    if program.parent.name == "bin" and prefix.name != ".local" and (prefix / "lib").is_dir():
        return prefix
    return program.parent


def _found(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Path:
    """Return the program's file; bubblewrap would only say that something could not be started."""
    if not argv:
        raise ValueError("no program is named")
    if not cwd.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(cwd))
    if os.sep in argv[0]:
        path = cwd / argv[0]
        problem = errno.ENOENT if not path.exists() else errno.EACCES
        found = str(path) if path.is_file() and os.access(path, os.X_OK) else None
    else:
        problem = errno.ENOENT
        found = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if found is None:
        raise OSError(problem, os.strerror(problem), argv[0])
    return Path(os.path.abspath(found))  # noqa: PTH100 - a link is not to be followed
