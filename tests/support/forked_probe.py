"""What a forked flow run would find: written to the file that PROBE names, then as it is told."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import uuid
from pathlib import Path

from prefect.settings import get_current_settings

from autopack.process.leftovers import HOLDER


def main() -> None:
    said = {
        "pid": os.getpid(),
        "argv": sys.argv,
        "cwd": str(Path.cwd()),
        "environ": dict(os.environ),
        "holder": os.environ[HOLDER],
        "group": os.getpgid(0),
        "descriptors": sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())[:-1],
        "threads": threading.active_count(),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
        "chance": [random.random(), str(uuid.uuid4())],
        "api_url": get_current_settings().api.url,
        "log_level": get_current_settings().logging.level,
        "heavy": sorted({"numpy", "pandas", "prefect.server"} & set(sys.modules)),
    }
    Path(os.environ["PROBE"]).write_text(json.dumps(said), encoding="utf-8")
    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr)
    how = os.environ["HOW"]
    if how == "wait":
        signal.pause()
    if how == "raise":
        raise ValueError("a fault")
    if how == "reused":
        # What the fork server had open is closed; nothing may close these in its stead.
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(40)]
        threading._register_atexit(lambda: _end_unless_open(opened))  # pyright: ignore
    if how == "hang":
        threading._register_atexit(threading.Event().wait)  # pyright: ignore
        sys.exit(3)
    if how == "thread":
        threading.Timer(0.2, lambda: Path(os.environ["PROBE"]).write_text("late")).start()
    sys.exit(int(how) if how.isdigit() else 0)


def _end_unless_open(opened: list[int]) -> None:
    try:
        for one in opened:
            os.fstat(one)
    except OSError:
        os._exit(9)


if __name__ == "__main__":
    main()
