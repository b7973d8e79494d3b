"""Saying within half a second what a command is waiting for, when nothing else has been said.

Loading what a run needs takes a second or two, and longer on a busy machine.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from autopack.settings import PREFECT_API_URL

_SECONDS = 0.2
_NEED_PREFECT = {
    *((name,) for name in ("demo", "run", "resume", "retry", "fleet", "replay", "reconcile")),
    ("ab", "run"),
}

_timer: threading.Timer | None = None


def say_soon(argv: Sequence[str]) -> None:
    """Say on stderr, in a moment, what this command is loading and which server it will use."""
    global _timer
    words = tuple(word for word in argv if not word.startswith("-"))
    if not {words[:1], words[:2]} & _NEED_PREFECT or {"--help", "-h", "--dry-run"} & set(argv):
        return
    # What is configured now: the command itself sets it, too.
    _timer = threading.Timer(_SECONDS, _say, (words[0], PREFECT_API_URL.of()))
    _timer.daemon = True
    _timer.start()


def be_quiet() -> None:
    """Something else has been said."""
    if _timer is not None:
        _timer.cancel()


def _say(command: str, url: str | None) -> None:
    sys.stderr.write(f"loading; {_server(command, url)}\n")
    sys.stderr.flush()


def _server(command: str, url: str | None) -> str:
    """Return which Prefect server the command will use, as far as files say."""
    from autopack import home_server
    from autopack.settings import home_folder

    if command == "demo":
        return "the demo starts a Prefect server of its own"
    if url:
        from autopack.secrecy.credentials import shown_address

        return f"the Prefect server is {shown_address(url)}"
    home = home_folder()
    if (home / "stack.json").exists():
        return "the Prefect server is the one of `autopack up`"
    found = home_server.running_server(home.resolve())
    if found is not None:
        return f"the Prefect server of this home is {found.api_url}"
    return "the Prefect server of this home is not running yet"
