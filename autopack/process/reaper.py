"""A program of its own that runs another and outlives all of its descendants (Linux).

    main([GRACE, MOST_BYTES, APART, NOTE, PROGRAM, ARGUMENT…])

What loses its parent below it becomes its child, whatever session, environment and folder it
moved to: when the program has ended, no descendant is missed. GRACE is how many seconds those may
take after TERM; with 0 they are stopped as a whole and killed, so that an agent among them cannot
ask its model once more. No file may grow beyond MOST_BYTES (0: no limit). With APART 1 the
program cannot look into others. NOTE is a file to say in how the program ended, also when nobody
waits for that any more, or "".

It ends as the program did, with 127 or 126 where that could not be started. Needs nothing but the
standard library, for it is started with nothing else (`supervisor`).
"""

from __future__ import annotations

import ctypes
import errno
import os
import time

TYPE_CHECKING = False  # of `typing`, which takes long to load
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # the enumerations around it take half as long as Python

_SET_CHILD_SUBREAPER = 36
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_SCOPE_SIGNAL = 2
_DROP_FROM_BOUNDS, _SYS_PTRACE, _SYS_ADMIN, _PERFMON = 24, 19, 21, 38
_SCOPES_SINCE = 6
_LONGEST_SWEEP = 10.0


def main(words: list[str]) -> None:
    grace, most_bytes, apart, argv = float(words[0]), int(words[1]), words[2] == "1", words[4:]
    # Before the program is there, which may put other things in its place.
    noted = _opened(words[3]) if words[3] else None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    program = os.fork()
    if program == 0:
        _become(libc, argv, most_bytes, apart=apart)
    status = _wait_for(program)
    _sweep(grace)
    if noted is not None:
        _note(*noted, status)
    _end_like(status)


def _become(libc: ctypes.CDLL, argv: list[str], most_bytes: int, *, apart: bool) -> None:
    """Be the program, in a session of its own; never returns."""
    try:
        os.setsid()
        # Python ignores them, and what is ignored stays so in a program that is started.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        _limit(most_bytes)
        if apart:
            _keep_apart(libc)
        os.execvp(argv[0], argv)  # noqa: S606 - it is what this is for
    except OSError as error:
        missing = error.errno == errno.ENOENT
        reason = "command not found" if missing else f"cannot be started: {error.strerror}"
        os.write(2, f"{argv[0]}: {reason}\n".encode("utf-8", "replace"))
        os._exit(127 if missing else 126)
    except BaseException as error:
        os.write(2, f"{argv[0]}: cannot be started: {error}\n".encode("utf-8", "replace"))
        os._exit(126)


def _limit(most_bytes: int) -> None:
    if most_bytes:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _keep_apart(libc: ctypes.CDLL) -> None:
    """Have a program of root's unable to read the environment of others, and to end them.

    By Landlock, in a version (6) that leaves its files alone; and without the capabilities that
    read past it. An ordinary user's would lose sudo, too, and is kept out by Autopack's own
    process, which cannot be read.
    """
    attributes = (ctypes.c_uint64 * 3)(0, 0, _SCOPE_SIGNAL)
    if os.geteuid() != 0 or libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1) < _SCOPES_SINCE:
        return
    rules = libc.syscall(
        _LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0
    )
    if rules < 0:
        return
    libc.syscall(_LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)
    for capability in (_SYS_PTRACE, _SYS_ADMIN, _PERFMON):
        libc.prctl(_DROP_FROM_BOUNDS, capability, 0, 0, 0)


def _wait_for(program: int) -> int:
    while True:
        child, status = os.waitpid(-1, 0)
        if child == program:
            return status


def _sweep(grace: float) -> None:
    """End every descendant that is left; one stuck in the kernel is given up in the end."""
    if not _reap():
        return  # what is below has somebody above it, which would be a child
    deadline = time.monotonic() + grace
    if grace > 0:
        _signal_all(_descendants(), signal.SIGTERM)
        while _reap() and time.monotonic() < deadline:
            time.sleep(0.01)
    deadline = time.monotonic() + _LONGEST_SWEEP
    while _reap() and time.monotonic() < deadline:
        stopped: set[int] = set()
        while new := _descendants() - stopped:
            _signal_all(new, signal.SIGSTOP)  # what is stopped starts nothing more
            stopped |= new
        _signal_all(stopped, signal.SIGKILL)
        time.sleep(0.002)


def _reap() -> bool:
    """Take in what has ended; whether there are children still."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> set[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib takes long to load
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state not in (b"Z", b"X"):
                parents[int(name)] = int(parent)
    found: set[int] = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _signal_all(pids: set[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue  # gone, or another user's: the others are ended all the same


def _opened(path: str) -> tuple[int, str]:
    """Return the folder that a file is in, and its name there."""
    folder, _, name = path.rpartition("/")
    return os.open(folder or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), name


def _note(folder: int, name: str, status: int) -> None:
    """Say that the program ended with everything that it started: whole, or not at all.

    Not flushed to the disk, as what the program wrote is not either: it says which boot it is of,
    and is believed during that alone.
    """
    import json

    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            boot = file.read().strip()
        said = {
            "status": os.waitstatus_to_exitcode(status),
            "boot": boot,
            "folder": os.path.basename(os.getcwd()),  # noqa: PTH109, PTH119
        }
        part = f"{name}.{os.getpid()}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(part, flags, 0o600, dir_fd=folder)
        os.write(file, json.dumps(said).encode())
        os.close(file)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except (OSError, ValueError):
        pass  # then it counts as cut off


def _end_like(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)
