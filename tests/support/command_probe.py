"""Stands in for the command line where commands are carried out by a fork: says what it finds.

Its first word is the command that is handed over, its second the file to say it in, its third what
it does then.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def here() -> None:
    """Say what this process is like, and end as it is told."""
    _, _, file, how = sys.argv
    umask = os.umask(0)
    os.umask(umask)
    said = {
        "pid": os.getpid(),
        "argv": sys.argv,
        "cwd": os.getcwd(),  # noqa: PTH109
        "environ": dict(os.environ),
        "zone": time.tzname[0],
        "umask": umask,
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
        "nice": os.nice(0),
        "ignored": sorted(
            int(n) for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN
        ),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "terminals": [os.isatty(number) for number in range(3)],
        "streams": [
            (stream.encoding, stream.errors, stream.fileno())
            for stream in (sys.stdin, sys.stdout, sys.stderr)
        ],
        "line_buffering": [sys.stdout.line_buffering, sys.stderr.line_buffering],  # pyright: ignore
        "consoles": _consoles() if how in ("7", "terminal") else [],
        "descriptors": _descriptors(),
        "threads": threading.active_count(),
        "chance": random.random(),
        "stdin": "" if sys.stdin.isatty() else sys.stdin.read(),
        "hidden": os.stat("/proc/self/environ").st_uid,  # noqa: PTH116
        "initial": Path("/proc/self/environ").read_bytes().decode("latin-1"),
        "name": Path("/proc/self/comm").read_text().strip(),
    }
    if how == "signals":
        for name in SIGNALS:
            signal.signal(getattr(signal, name), _note)
    _say(file, said)
    print("to stdout")
    print("to stderr", file=sys.stderr)
    _end(how)


def _end(how: str) -> None:
    if how in ("wait", "signals"):
        while how == "wait" or len(_NOTED) < len(SIGNALS):
            time.sleep(0.02)
        print(json.dumps(sorted(_NOTED)))
        sys.exit(5)
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
    if how == "raise":
        raise ValueError("a fault")
    if how == "soon":
        time.sleep(1.5)
        sys.exit(6)
    if how == "thread":
        threading.Timer(0.2, lambda: print("late", flush=True)).start()
    sys.exit(int(how) if how.isdigit() else 0)


def _consoles() -> list[object]:
    from deployments.cli.shared.output import err, out

    return [out.is_terminal, out.no_color, err.is_terminal, out.width]


_NOTED: list[str] = []


def _note(number: int, frame: FrameType | None) -> None:
    _NOTED.append(signal.Signals(number).name)


def _descriptors() -> list[tuple[int, bool]]:
    """Return what is open here, and whether programs that this starts have it, too."""
    found: list[tuple[int, bool]] = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            found.append((int(name), os.get_inheritable(int(name))))
        except OSError:  # of the listing
            continue
    return sorted(found)


def _say(file: str, said: object) -> None:
    made = Path(f"{file}.part")
    made.write_text(json.dumps(said), encoding="utf-8")
    made.rename(file)
