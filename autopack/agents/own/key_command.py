"""A key that a command prints: from a password manager, or a token that lasts an hour.

The command belongs to the user, is run without a shell and with the user's environment, and is
asked once for a run: what it printed is kept in memory for as long as the builder, and for five
minutes for the one that the same process makes next. It is never stored.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
import time

from autopack.model.errors import BadInput
from autopack.settings import program_environment

_SECONDS = 60
_KEPT_SECONDS = 300.0
_LONGEST = 20_000

_lock = threading.Lock()
_asked: dict[str, tuple[float, str]] = {}


def readable_command(command: str) -> str:
    """Return the command when it can be split as a shell would. Raises BadInput."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadInput(f"key_command cannot be read: {error}", field="key_command") from error
    if not words:
        raise BadInput(
            "key_command is empty",
            field="key_command",
            hint="name a command that prints the key, for example 'pass show anthropic'",
        )
    return command


def key_from(command: str) -> str:
    """Return the key that a command prints. Raises BadInput when it prints none.

    What it prints is in no message.
    """
    with _lock:
        at, key = _asked.get(command, (0.0, ""))
        if not key or time.monotonic() - at > _KEPT_SECONDS:
            key = _ask(command)
            _asked[command] = time.monotonic(), key
    return key


def _ask(command: str) -> str:
    words = shlex.split(command)
    try:
        done = subprocess.run(
            words,
            env=program_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise _refused(f"the program {words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise _refused(f"it did not end within {_SECONDS} s") from None
    except OSError as error:
        raise _refused(f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise _refused(f"it ended with status {done.returncode}")
    key = done.stdout.decode("utf-8", "replace").strip()
    if not key:
        raise _refused("it printed nothing")
    if len(key) > _LONGEST or len(key.split()) > 1:
        raise _refused("it printed more than one word")
    return key


def _refused(why: str) -> BadInput:
    return BadInput(
        f"key_command gave no key: {why}",
        field="key_command",
        hint="run the command by hand: it has to print the key and nothing else",
    )
