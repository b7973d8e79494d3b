"""A run whose process dies or freezes at a chosen step: one process a holder, forked when asked.

Importing everything once and forking makes a holder cheap. `Holders` is the side of the tests; the
other side is this module as a program.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FINISHED, LOST, BROKEN = 0, 3, 1
FAILED = "the builder failed"
"""The last words of a recorded build that make it a failed one."""


@dataclass(frozen=True)
class End:
    """How a holder ended, or that it was stopped: ``status`` is negative for a signal."""

    status: int | None
    is_stopped: bool = False


class Holders:
    """Starts holders of a run."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._server = subprocess.Popen(
            [sys.executable, "-m", "support.crash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("ab"),
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def start(self, folder: Path, url: str, fault: str = "") -> int:
        """Have a process take the run of the project in ``folder`` to its end."""
        return self._ask("start", str(folder), url, fault)

    def wait(self, pid: int) -> End:
        """Wait until it has ended or was stopped."""
        return End(*self._ask("wait", pid))

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(10)

    def _ask(self, *words: object) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(words) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, self._log.read_text(encoding="utf-8")[-3000:]
        return json.loads(answer)


def _serve() -> None:
    for line in sys.stdin:
        verb, *words = json.loads(line)
        answer = _start(*words) if verb == "start" else _wait(*words)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _start(folder: str, url: str, fault: str) -> int:
    pid = os.fork()
    if pid == 0:
        status = BROKEN
        try:
            status = _hold(Path(folder), url, fault)
        except BaseException:
            import traceback

            sys.stderr.write(f"--- {folder}: {fault}\n")
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    return pid


def _wait(pid: int) -> Sequence[object]:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return None, True
    return os.waitstatus_to_exitcode(status), False


def _hold(folder: Path, url: str, fault: str) -> int:
    """Store the run if need be, take it over, and bring it to its end."""
    from autopack import failpoints
    from autopack.clock import SystemClock
    from autopack.model.errors import LeaseLost, Refused
    from autopack.runs.prepare.prepare import RunRequest, prepare_run
    from autopack.runs.session.opening import (
        open_session,
    )
    from autopack.settings import Settings
    from autopack.store.database.engine import Database
    from autopack.store.holders import Holder

    failpoints.plan(fault)
    os.environ["AUTOPACK_HOME"] = str(folder / "home")
    settings = Settings(folder / "home", url, lease_seconds=300.0)
    db = Database.open(url, check_schema=False)
    agent = folder / "agent.py"
    by_agent = {"template": f"{sys.executable} {agent}", "usage": "claude-code"}
    by_recording = {"recording": str(folder / "recording")}
    request = RunRequest(
        plan=str(folder / "plan.yaml"),
        repo=str(folder / "repository"),
        builder="command" if agent.exists() else None,
        builder_options=by_agent if agent.exists() else by_recording,
        run_id="r",
        push=None if agent.exists() else "central",
    )
    me = Holder.of_this_process()
    try:
        prepare_run(request, db=db, settings=settings, clock=SystemClock(), starter=me)
        session = open_session("r", db=db, settings=settings, clock=SystemClock())
        return asyncio.run(_work(session))
    except LeaseLost:
        return LOST
    except Refused as refused:
        return FINISHED if "is finished" in refused.message else BROKEN


async def _work(session: Any) -> int:
    """What the flows do, without an engine."""
    from autopack.model.states import AttemptState
    from autopack.repair.decide import Decision
    from autopack.runs import attempt as steps
    from autopack.runs.environment.run_environment import prepare_environment
    from autopack.runs.finish import finish as finishing
    from autopack.runs.finish.push import push_run
    from autopack.runs.next_phase import ending, next_phase
    from autopack.runs.session.opening import (
        close_session,
    )
    from autopack.store.runs import get_ending, get_phases
    from support.runs import repair

    decided = finishing.decided_ending(session)
    if decided is None:
        session.environment = await prepare_environment(session)
        while (decided := get_ending(session.db, "r")) is None:
            phase = next_phase(session.plan, get_phases(session.db, "r"))
            if phase is None:
                decided = ending(get_phases(session.db, "r"))
                break
            started = steps.begin(session, phase.id)
            assert not isinstance(started, Decision), started
            if started.state is AttemptState.STARTED:
                await steps.build(session, started.key)
                push_run(session)
            failure = await steps.validate(session, started.key)
            state, decision = await repair(session, phase.id, started.attempt, failure)
            steps.conclude(session, started.key, state.failure, decision)
            push_run(session)
    finishing.finish(session, *decided)
    close_session(session)
    return FINISHED


def _count_at_the_provider() -> None:
    """Have what is paid for written down where no crash of a holder undoes it."""
    from autopack.agents.protocol import BuildStatus
    from autopack.testing.script import ScriptBuilder
    from autopack.testing.scripted_doctor import ScriptDoctor
    from autopack.testing.scripted_reviewer import ScriptReviewer

    def counting(owner: type, name: str) -> None:
        real = getattr(owner, name)

        async def method(self: Any, *args: Any, **more: Any) -> Any:
            answer = await real(self, *args, **more)
            if getattr(answer, "summary", "") == FAILED:
                answer = replace(answer, status=BuildStatus.FAILED)
            log = Path(os.environ["AUTOPACK_HOME"]).parent / "provider.log"
            with log.open("a", encoding="utf-8") as file:
                file.writelines(f"{name} {one.total}\n" for one in answer.calls)
            return answer

        setattr(owner, name, method)

    counting(ScriptBuilder, "build")
    counting(ScriptDoctor, "ask")
    counting(ScriptReviewer, "ask")


if __name__ == "__main__":
    import autopack.runs.finish.finish  # pyright: ignore[reportUnusedImport]
    import autopack.runs.finish.push  # pyright: ignore[reportUnusedImport]
    import autopack.runs.next_phase  # pyright: ignore[reportUnusedImport]
    import autopack.runs.prepare.prepare  # pyright: ignore[reportUnusedImport]
    import autopack.runs.repair.consult  # pyright: ignore[reportUnusedImport]
    import autopack.testing.scripted_doctor  # pyright: ignore[reportUnusedImport]
    import autopack.testing.scripted_reviewer  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from autopack.model.prices import is_priced

    is_priced("", "")  # loads the price list, which takes longer than anything else here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _count_at_the_provider()
    _serve()
