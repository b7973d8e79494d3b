"""``python -m autopack.testing.model_server SCRIPT``: serve a script until interrupted."""

from __future__ import annotations

import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from cyclopts import App

from autopack.model.errors import AutopackError
from autopack.testing.model_server.server import ScriptedModelServer

app = App(name="python -m autopack.testing.model_server", help="Serve a scripted model.")


@app.default
def serve(
    script: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    mode: Literal["ok", "400", "401", "429", "500", "529", "hang", "slow"] | None = None,
    delay: float | None = None,
) -> int:
    """Print one line of JSON with the addresses, serve until interrupted, print what was served.

    Args:
        script: the YAML or JSON file of the script.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        mode: answer every request this way: ok, 400, 401, 429, 500, 529, hang or slow.
        delay: seconds before each event in mode slow.
    """
    try:
        server = ScriptedModelServer(script, mode=mode, delay=delay, host=host, port=port).start()
    except AutopackError as error:
        _print({"error": error.as_json()})
        return error.exit_code
    except OSError as error:
        _print({"error": {"kind": "bad_input", "message": str(error), "field": "port"}})
        return 2
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    _print({"url": server.url, "openai_url": server.openai_url})
    while not stopped.wait(1.0):  # a wait without an end would keep signals out on Windows
        pass
    server.stop()
    _print({"totals": asdict(server.totals())})
    return 0


def _print(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(app())
