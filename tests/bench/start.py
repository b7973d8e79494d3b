"""From typing a command to its first build, against a script of one Prefect flow.

    uv run python tests/bench/start.py [--repeats 5]

``cold``: a new home and no server, against the script with Prefect's own ephemeral server in a new
PREFECT_HOME; the end is the first line of the build, or of the flow. ``running``: the home's server
is there, and the script uses the same one. Both in turn, the order changing every time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.processes import Machine
from support.projects import git

from autopack import home_server

SCRIPT = """
import asyncio, sys, time
from pathlib import Path
from prefect import flow

@flow
async def one():
    Path(sys.argv[1]).write_text(str(time.time()))

asyncio.run(one())
"""
QUIET = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
PATIENT = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder))
        print(_compared("cold", bench.cold_run, bench.cold_script, repeats), flush=True)
        bench.warm_up()
        print(_compared("running", bench.run, bench.script, repeats), flush=True)
        bench.end()


def _compared(
    name: str, ours: Callable[[], float], theirs: Callable[[], float], repeats: int
) -> str:
    seconds: dict[str, list[float]] = {"autopack": [], "script": []}
    for number in range(repeats):
        sides = (("autopack", ours), ("script", theirs))
        for side, measure in sides if number % 2 else reversed(sides):
            seconds[side].append(measure())
    each = [a / b for a, b in zip(seconds["autopack"], seconds["script"], strict=True)]
    a, b = (statistics.median(seconds[side]) for side in ("autopack", "script"))
    return (
        f"{name:8} autopack run {a:6.2f} s, one-flow script {b:6.2f} s, "
        f"ratio {statistics.median(each):.2f}  (median of {repeats} pairs)"
    )


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._repository = folder / "repository"
        self._repository.mkdir()
        git(self._repository, "init", "--quiet", "--initial-branch=main")
        git(self._repository, "commit", "--quiet", "--allow-empty", "--message", "first")
        phase = {"id": "p", "instructions": "Say when", "validate": ["true"]}
        self._plan = folder / "plan.json"
        self._plan.write_text(json.dumps({"goal": "g", "setup": [], "phases": [phase]}))
        self._script = folder / "script.py"
        self._script.write_text(SCRIPT)
        self._machine = self._new_machine()

    def cold_run(self) -> float:
        machine = self._new_machine()
        took = self._run(machine)
        machine.run("down", "--force", "--json")
        return took

    def run(self) -> float:
        return self._run(self._machine)

    def warm_up(self) -> None:
        """Have the server running for a moment, as it is between two commands of a day."""
        self._run(self._machine)
        deadline = time.monotonic() + 60
        while not self._machine.run("health", "--json").json["server"]["warm_commands"]:
            if time.monotonic() > deadline:
                raise SystemExit("no command is handed over here: see `autopack health`")
            time.sleep(0.5)

    def end(self) -> None:
        self._machine.run("down", "--force", "--json")

    def cold_script(self) -> float:
        home = self._folder / f"prefect-{self._next()}"
        took = self._flow(PATIENT | {"PREFECT_HOME": str(home)})
        shutil.rmtree(home)
        return took

    def script(self) -> float:
        server = home_server.running_server(self._machine.home)
        if server is None:
            raise SystemExit("the home's server has ended")
        login = home_server.make_login(self._machine.home)
        return self._flow({"PREFECT_API_URL": server.api_url, "PREFECT_API_AUTH_STRING": login})

    def _run(self, machine: Machine) -> float:
        said = self._folder / f"said-{self._next()}"
        template = f"""sh -c 'date +%s.%N > {said}'"""
        began = time.time()
        answer = machine.run(
            *("run", str(self._plan), "--repo", str(self._repository), "--json"),
            *("--builder", "command", "--set", f"template={template}"),
        )
        if answer.code != 0:
            raise SystemExit(answer.stdout + answer.stderr)
        return float(said.read_text()) - began

    def _flow(self, more: dict[str, str]) -> float:
        said = self._folder / f"said-{self._next()}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOPACK_"))}
        began = time.time()
        subprocess.run(
            [sys.executable, str(self._script), str(said)],
            env=kept | QUIET | more,
            capture_output=True,
            check=True,
        )
        return float(said.read_text()) - began

    def _new_machine(self) -> Machine:
        home = self._folder / f"home-{self._next()}"
        return Machine(home, f"sqlite:///{home}.db", None)

    def _next(self) -> int:
        self._number += 1
        return self._number


if __name__ == "__main__":
    main()
