"""A real API process over a machine's database, which may be killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.processes import Machine


@dataclass
class ServedApi:
    """`autopack api` on a port of its own, and a key with every scope."""

    machine: Machine
    url: str = ""
    key: str = ""
    process: subprocess.Popen[str] | None = None
    seen: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def start(self) -> None:
        """Start it, on the port that it had before."""
        port = self.url.rpartition(":")[2] or "0"
        self.process = self.machine.start("api", "--port", port, "--json")
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=30)[1]
        text = line
        while True:  # the object may be printed over several lines
            try:
                self.url = json.loads(text)["url"]
                return
            except ValueError:
                text += self.process.stdout.readline()

    def kill(self) -> None:
        """SIGKILL it."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=30)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with the key."""
        headers = {"X-API-Key": self.key} | more.pop("headers", {})
        return httpx.request(method, self.url + path, headers=headers, timeout=90, **more)

    def get(self, path: str) -> Any:
        """Return what is answered, which must be no error."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """Return what is answered to a change, which must be no error."""
        answer = self.ask("POST", path, json=body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def follow(self, run_id: str, until: str, seconds: float = 120.0) -> list[str]:
        """Follow the run's stream, reconnecting as an EventSource does, up to an event; return all
        that was told of the run so far.
        """
        told, deadline = self.seen.setdefault(run_id, []), time.monotonic() + seconds
        while time.monotonic() < deadline:
            last = {"Last-Event-ID": str(told[-1]["number"])} if told else {}
            headers = {"X-API-Key": self.key, "Accept": "text/event-stream"} | last
            try:
                with httpx.stream(
                    "GET", f"{self.url}/runs/{run_id}/events", headers=headers, timeout=30
                ) as stream:
                    assert stream.status_code in (200, 204)
                    for line in stream.iter_lines():
                        if line.startswith("data:"):
                            told.append(json.loads(line[5:]))
                            if _said(told[-1]) == until:
                                return [_said(one) for one in told]
                        assert time.monotonic() < deadline, told
                    if stream.status_code == 204:
                        break
            except httpx.TransportError:
                time.sleep(0.2)
        raise AssertionError(f"{until} was not told: {[_said(one) for one in told]}")


def _said(one: dict[str, Any]) -> str:
    return " ".join(str(one[name]) for name in ("kind", "state", "phase_id") if one[name])


@contextlib.contextmanager
def served(machine: Machine) -> Generator[ServedApi]:
    """An API over a machine's database, while the block is open."""
    scopes = ("read", "content", "run", "approve", "admin")
    words = [word for scope in scopes for word in ("--scope", scope)]
    made = machine.run("api", "keys", "create", "test", *words, "--json")
    assert made.code == 0, made.stderr
    api = ServedApi(machine, key=made.json["key"])
    api.start()
    try:
        yield api
    finally:
        if api.process is not None and api.process.poll() is None:
            os.kill(api.process.pid, signal.SIGTERM)
            api.process.communicate(timeout=30)
