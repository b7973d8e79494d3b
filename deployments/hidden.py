"""`python -m deployments.hidden [--told] MODULE WORDS`: run a module that holds secrets.

No other program of the same user can read this process's memory and environment. With ``--told``
it reads more of its environment, as one line of JSON, from its standard input; with ``--attached``
it is asked to end by the end of that, too.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading

from autopack.secrecy.memory import hide_memory


def main(words: list[str]) -> None:
    """Run the module in this process."""
    hide_memory()
    told, attached = "--told" in words[:1], "--attached" in words[:2]
    if told:
        os.environ.update(json.loads(sys.stdin.buffer.readline()))
    if attached:
        threading.Thread(target=_end_with_input, daemon=True).start()
    words = words[told + attached :]
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _end_with_input() -> None:
    while os.read(0, 4096):  # past Python's buffer, which its end would wait for
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
