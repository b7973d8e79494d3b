"""Starting parts of Prefect so that no secret stands where other programs can read it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from autopack.files import safe_files
from autopack.process.python_module import module_command

_PLAIN = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TMP|TEMP|XDG_RUNTIME_DIR"
    r"|SSL_CERT_(FILE|DIR)|LD_\w+|DYLD_\w+|PYTHON\w+|VIRTUAL_ENV|SYSTEMROOT|WINDIR|COMSPEC|PATHEXT"
    r"|SYSTEMDRIVE|USERPROFILE|APPDATA|LOCALAPPDATA"
)
"""What a process needs before it can read its standard input."""

HIDDEN = "deployments.hidden"
"""The module that runs another one without showing what it holds."""

_WAITING = 1024


def split(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what may stand in a process's environment, and what it is told otherwise."""
    plain = {name: v for name, v in environ.items() if _PLAIN.fullmatch(name.upper())}
    return plain, {name: v for name, v in environ.items() if name not in plain}


def spawn(
    module: str,
    *words: str,
    line: bytes,
    environ: Mapping[str, str],
    folder: Path,
    log: Path,
    inherited: Sequence[int] = (),
    attached: bool = False,
) -> subprocess.Popen[bytes]:
    """Start ``python -m MODULE WORDS`` in a session of its own; ``line`` is all it reads.

    ``attached`` keeps its standard input open: it sees the end of it when this process ends.
    """
    descriptor = safe_files.open_append(log)
    try:
        # In a session of its own, since Ctrl-C in the terminal has to leave it to the run that
        # ends in order.
        process = subprocess.Popen(
            module_command(module, *words),
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=os.name == "posix",
            pass_fds=tuple(inherited),
        )
    finally:
        os.close(descriptor)
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # it has ended already, which its waiter sees
            process.stdin.write(line)
            process.stdin.flush()
            if not attached:
                process.stdin.close()
    return process


def listen(port: int) -> socket.socket:
    """Return a socket of this machine alone; what connects waits until it is served.

    Raises OSError when the port is not free; 0 is any that is.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(_WAITING)
    except OSError:
        listening.close()
        raise
    return listening
