"""Starting git: the only place that does, in an environment where only Autopack decides."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import stamina

from autopack.model.errors import BadInput, GitFailed
from autopack.process import leftovers
from autopack.secrecy.credentials import is_secret
from autopack.settings import program_environment

AUTHOR = "Autopack"
EMAIL = "autopack@localhost"

# What would let somebody else's settings act: hooks run code, signing asks for a passphrase, and
# background maintenance takes locks.
_ALWAYS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.version=2",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.prune=false",
    "fetch.pruneTags=false",
    "fetch.writeCommitGraph=false",
    "core.quotePath=false",
)
# Content enters and leaves byte for byte, and an object is on disk before a ref or the database
# says that it is there. git alone leaves loose objects to the system's next flush.
_OUR_OWN = (
    "core.fsync=committed,reference",
    # It cannot take files above core.bigFileThreshold, which `staging` keeps out.
    "core.fsyncMethod=batch",
    "core.autocrlf=false",
    "core.safecrlf=false",
    f"core.attributesFile={os.devnull}",
    f"core.excludesFile={os.devnull}",
    "advice.addEmbeddedRepo=false",
)
# A repository that the user named on this machine is read, its owner aside (`SourceRepository.open`
# has asked git for leave), and its history is taken as it is.
_NAMED = (
    "protocol.file.allow=always",
    "safe.directory=*",
    "transfer.fsckObjects=false",
    "fetch.fsckObjects=false",
    "clone.rejectShallow=false",
)
_UPLOAD_PACK = "--upload-pack=git -c 'safe.directory=*' upload-pack"
# What reaching the user's repository or server needs: credentials, proxies, trusted folders.
_REACHING = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|SSL_\w+|HTTP_\w+|PROXY_COMMAND|ASKPASS|ALLOW_PROTOCOL"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))"
)
_LOCKED = re.compile(r"Unable to create '.*\.lock'|cannot lock ref")
_LOCK_FILE = re.compile(r"Unable to create '(.*\.lock)': File exists")
# These name a lock too, and mean that a compare-and-swap lost: trying again cannot help.
_SWAP_LOST = re.compile(
    r"but expected|reference already exists|unable to resolve reference|cannot process"
    r"|cannot create"
)
# No git command holds a lock of a private repository this long: its process is gone.
_STALE_LOCK_SECONDS = 60.0
# More would be no environment that a process can have.
_LONGEST_COUNT = 6
# How often what may be over is looked after.
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Finished:
    """How a git command ended."""

    status: int
    output: bytes
    errors: str


class _Locked(Exception):
    def __init__(self, finished: Finished) -> None:
        super().__init__(finished.errors)
        self.finished = finished


@dataclass(frozen=True)
class Git:
    """Where git acts.

    ``git_dir``, ``work_tree`` and ``index_file`` say which repository, files and index; without
    ``git_dir`` git looks for the repository of ``folder``. ``as_user`` keeps the user's own
    configuration, for what reaches the user's repository or a server: it holds the credentials
    and the trusted folders. Everything else sees no configuration but the repository's.
    ``named`` says that the other side of a transfer is a folder which the user named: no setting
    made against folders that a stranger names stands in its way. ``from_stranger`` says that a
    repository's content names the other side, as for submodules: git allows fewer protocols.
    ``is_over`` is asked while git works: once it says so, git is ended and has failed.
    ``excludes`` is a file of patterns that are ignored besides the repository's own. ``settings``
    beat every other, whatever is in their names.
    """

    git_dir: Path | None = None
    work_tree: Path | None = None
    index_file: Path | None = None
    folder: Path | None = None
    as_user: bool = False
    named: bool = False
    from_stranger: bool = False
    excludes: Path | None = None
    settings: tuple[tuple[str, str], ...] = ()
    is_over: Callable[[], bool] | None = field(default=None, compare=False, repr=False)

    @property
    def repository(self) -> Path:
        """``git_dir``, for what needs it named."""
        return _named(self.git_dir, "git_dir")

    @property
    def files(self) -> Path:
        """``work_tree``, for what needs it named."""
        return _named(self.work_tree, "work_tree")

    @property
    def index(self) -> Path:
        """``index_file``, for what needs it named."""
        return _named(self.index_file, "index_file")

    def run(
        self,
        *args: str,
        check: bool = True,
        input: str | None = None,  # noqa: A002 - the name subprocess gives it
        timeout: float = 600.0,
    ) -> str:
        """Run ``git args`` and return its output; GitFailed with git's words when it fails.

        Bytes that are not UTF-8 come back as os.fsdecode would give them, so that paths stay
        usable. ``check=False`` returns what was printed even when git failed.
        """
        finished = self.call(*args, input=input, timeout=timeout)
        if check and finished.status != 0:
            raise failure(args, finished)
        return finished.output.decode("utf-8", "surrogateescape")

    def call(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002
        timeout: float = 600.0,
    ) -> Finished:
        """Run ``git args`` whatever its status; a lock that another git holds is waited for."""
        try:
            return self._unlocked(args, input, timeout)
        except _Locked as locked:
            return locked.finished

    def fetching(self, command: str, *args: str) -> tuple[str, ...]:
        """Return the words of a ``command`` that reads from another repository (clone, fetch,
        ls-remote).

        Its other half checks again who owns that repository, and gets no setting of ours but by
        the name under which it is started.
        """
        return (command, _UPLOAD_PACK, *args) if self.named else (command, *args)

    def head(self, *args: str, max_bytes: int) -> tuple[bytes, bool]:
        """Return the first ``max_bytes`` that ``git args`` prints, and whether there was more."""
        with subprocess.Popen(
            self._command(args),
            cwd=self._where(),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child:
            output = child.stdout.read(max_bytes + 1) if child.stdout is not None else b""
            more = len(output) > max_bytes
            if more:
                child.kill()
        if not more and child.returncode != 0:
            raise failure(args, self.call(*args))
        return output[:max_bytes], more

    @stamina.retry(on=_Locked, attempts=40, timeout=8.0, wait_initial=0.01, wait_max=0.4)
    def _unlocked(self, args: tuple[str, ...], text: str | None, timeout: float) -> Finished:
        finished = self._once(args, text, timeout)
        # Two fetches of the same new tag: the loser finds it there when it tries again.
        may_retry = args[0] == "fetch" or not _SWAP_LOST.search(finished.errors)
        if finished.status == 0 or not may_retry or not _LOCKED.search(finished.errors):
            return finished
        if not self.as_user:
            _remove_stale_lock(finished.errors)
        raise _Locked(finished)

    def _once(self, args: tuple[str, ...], text: str | None, timeout: float) -> Finished:
        try:
            child = subprocess.Popen(
                self._command(args),
                cwd=self._where(),
                env=self._environment(),
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            where = self._where()
            if where is not None and not where.is_dir():
                raise GitFailed(f"git {args[0]}: the folder {where} does not exist") from error
            raise GitFailed(
                f"git cannot be started: {error.strerror}: {error.filename}",
                hint="install git 2.31 or newer and put it on PATH",
            ) from error
        with child:
            data = None if text is None else text.encode("utf-8", "surrogateescape")
            output, errors = self._wait(child, args[0], data, timeout)
        return Finished(child.returncode, output, errors.decode("utf-8", "replace"))

    def _wait(
        self, child: subprocess.Popen[bytes], name: str, data: bytes | None, timeout: float
    ) -> tuple[bytes, bytes]:
        """Return what git prints until it ends; GitFailed when it takes too long or is over."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                return child.communicate(
                    data, timeout=left if self.is_over is None else min(left, _LOOK_SECONDS)
                )
            except subprocess.TimeoutExpired as error:
                is_over = self.is_over is not None and self.is_over()
                if not is_over and deadline > time.monotonic():
                    data = None  # it has that already
                    continue
                # With what it started: a helper that talks to the server would go on.
                leftovers.end([psutil.Process(child.pid)], grace=1.0)
                if is_over:
                    raise GitFailed(f"git {name} was ended: the run was taken over") from error
                raise GitFailed(f"git {name} did not end within {timeout:.0f} s") from error
            except BaseException:
                child.kill()
                raise

    def _command(self, args: tuple[str, ...]) -> list[str]:
        settings = _ALWAYS if self.as_user else _ALWAYS + _OUR_OWN
        if self.named:
            settings += _NAMED
        if self.excludes is not None:
            settings = (*settings, f"core.excludesFile={self.excludes}")
        return ["git", *(part for setting in settings for part in ("-c", setting)), *args]

    def _where(self) -> Path | None:
        return self.folder or self.work_tree or self.git_dir

    def _environment(self) -> dict[str, str]:
        env = clean_environment(program_environment(), as_user=self.as_user)
        places = {
            "GIT_DIR": self.git_dir,
            "GIT_WORK_TREE": self.work_tree,
            "GIT_INDEX_FILE": self.index_file,
        }
        env |= {name: str(place) for name, place in places.items() if place is not None}
        if self.named:
            # Set by the user, it would beat protocol.file.allow.
            env["GIT_ALLOW_PROTOCOL"] = "file"
        if self.from_stranger:
            env["GIT_PROTOCOL_FROM_USER"] = "0"
        count = _settings_in(env)
        for number, (name, value) in enumerate(self.settings, start=count):
            env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        if self.settings:
            env["GIT_CONFIG_COUNT"] = str(count + len(self.settings))
        return env


def _settings_in(env: Mapping[str, str]) -> int:
    """Return how many settings the user's variables hold. Raises BadInput for no count at all."""
    given = env.get("GIT_CONFIG_COUNT") or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= _LONGEST_COUNT):
        raise BadInput(
            f"GIT_CONFIG_COUNT is {given[:60]!r}, expected a number",
            field="GIT_CONFIG_COUNT",
            hint="unset it, or set it to the number of GIT_CONFIG_KEY_<n> that are set",
        )
    return int(given)


def clean_environment(environ: Mapping[str, str], *, as_user: bool) -> dict[str, str]:
    """The environment git gets: no GIT_* of the caller's but what reaching a server needs.

    Secrets are for git ``as_user`` alone: a build of the same user could read them there.
    """
    env = {
        name: value
        for name, value in environ.items()
        if (not name.startswith("GIT_") or (as_user and _REACHING.fullmatch(name)))
        and (as_user or not is_secret(name, value))
    }
    if not as_user:
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return env | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # A repository's own settings say what program such a fetch starts.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_DEFAULT_REF_FORMAT": "files",
        "GIT_AUTHOR_NAME": AUTHOR,
        "GIT_AUTHOR_EMAIL": EMAIL,
        "GIT_COMMITTER_NAME": AUTHOR,
        "GIT_COMMITTER_EMAIL": EMAIL,
        "LC_ALL": "C",
    }


def failure(args: tuple[str, ...], finished: Finished) -> GitFailed:
    """Return the error that tells what git said: what it calls errors, else its last words."""
    lines = [line.strip() for line in finished.errors.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    said = "; ".join(errors[:3] or lines[-3:]) or f"exit status {finished.status}"
    command = args
    while command[0] == "-c":
        command = command[2:]
    return GitFailed(f"git {command[0]}: {said[:600]}")


def _named(place: Path | None, name: str) -> Path:
    if place is None:
        raise ValueError(f"this Git was made without {name}")
    return place


def _remove_stale_lock(errors: str) -> None:
    found = _LOCK_FILE.search(errors)
    if found is None:
        return
    with contextlib.suppress(FileNotFoundError):
        lock = Path(found[1])
        if time.time() - lock.stat().st_mtime > _STALE_LOCK_SECONDS:
            lock.unlink()
