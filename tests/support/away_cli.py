"""The `autopack` command while its server is away for as long as a test likes, in no time.

The server of process AWAY_SERVER is killed while the first build is under way, once it knows of
the build's phase. Waiting for it is then simulated: every pause of Prefect's client and of ours
lasts a moment and is added up, in the file AWAY_WAITED. With AWAY_CLOCK our own waiting is measured
by that time, too.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import prefect.client.base

import tasks.away
from autopack.agents.protocol import BuildRequest
from autopack.clock import SystemClock
from autopack.testing.script import ScriptBuilder
from deployments.cli import main
from tasks.ahead import ahead_of

_MOMENT = 0.02
_sleep = anyio.sleep
_waited = 0.0
_killed = False


async def pause(seconds: float) -> None:
    global _waited
    if not _killed:
        return await _sleep(seconds)
    _waited += seconds
    _tell(_waited)
    return await _sleep(min(seconds, _MOMENT))


def _tell(seconds: float) -> None:
    Path(os.environ["AWAY_WAITED"]).write_text(str(seconds))


class Simulated(SystemClock):
    def monotonic(self) -> float:
        return super().monotonic() + _waited


async def build(
    self: ScriptBuilder, request: BuildRequest, *args: Any, _build: Any = ScriptBuilder.build
) -> Any:
    global _killed
    if not _killed:
        ahead = ahead_of(request.run_id)
        while ahead is not None and request.phase_id in ahead:
            await _sleep(_MOMENT)  # the server is still being told
        _killed = True
        os.kill(int(os.environ["AWAY_SERVER"]), signal.SIGKILL)
    return await _build(self, request, *args)


prefect.client.base.anyio = SimpleNamespace(**{**vars(anyio), "sleep": pause})  # pyright: ignore[reportPrivateImportUsage]
tasks.away.asyncio = SimpleNamespace(sleep=pause)
ScriptBuilder.build = build  # pyright: ignore[reportAttributeAccessIssue]
if os.environ.get("AWAY_CLOCK"):
    tasks.away.SystemClock = Simulated

if __name__ == "__main__":
    sys.exit(main())
