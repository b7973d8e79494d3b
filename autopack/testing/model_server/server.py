"""The scripted model server: takes requests, asks the player for the answer, counts it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from autopack.testing.model_server.dialects import DIALECTS, Dialect
from autopack.testing.model_server.http import HttpAnswer, HttpRequest, read_request
from autopack.testing.model_server.model_script import Mode, Script, load_script
from autopack.testing.model_server.player import Move, Player
from autopack.testing.model_server.served import Served, Totals, add_up


class ScriptedModelServer:
    """A model server on a loopback address; a context manager, for ``with`` and ``async with``.

    It runs in a thread of its own, so a test may block while an agent talks to it. ``mode`` may
    be set at any time and holds for the requests that follow; ``delay`` is the wait in seconds
    before each event in mode slow. Any key is accepted. ``url`` is the base address for Anthropic
    clients, ``openai_url`` the one for OpenAI clients.
    """

    def __init__(
        self,
        script: Script | Mapping[str, object] | Path,
        *,
        mode: Mode | str | None = None,
        delay: float | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        values = load_script(script)
        self.mode = values.mode if mode is None else Mode(mode)
        self.delay = values.delay if delay is None else delay
        self._host, self._port = host, port
        self._player = Player(values)
        self._served: list[Served] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def served(self) -> tuple[Served, ...]:
        """Every model request so far, in order, those still being answered included."""
        with self._lock:
            return tuple(self._served)

    def totals(self) -> Totals:
        """Return what was served so far, in calls and tokens."""
        return add_up(self.served)

    def start(self) -> Self:
        """Listen. Raises OSError when the port is taken."""
        ready = threading.Event()
        failures: list[OSError] = []

        def run() -> None:
            try:
                asyncio.run(self._serve(ready))
            except OSError as error:
                failures.append(error)
                ready.set()

        self._thread = threading.Thread(target=run, name="scripted-model-server", daemon=True)
        self._thread.start()
        ready.wait()
        if failures:
            raise failures[0]
        return self

    def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(connected, self._host, self._port)
        self._port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_request(reader):
                answer = HttpAnswer(reader, writer, head_only=request.method == "HEAD")
                await self._respond(request, answer)
        except ConnectionError:
            return  # the client went away, which is its right; what it was sent is noted
        finally:
            writer.close()

    async def _respond(self, request: HttpRequest, answer: HttpAnswer) -> None:
        dialect = next((one for one in DIALECTS if request.path.endswith(one.path)), None)
        if dialect is None or request.method != "POST":
            await answer.whole(*self._besides(request))
            return
        try:
            body = json.loads(request.body)
            asked = dialect.asked(body, request.path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"not a request of {dialect.name}: {error!r}"
            await answer.whole(400, dialect.error(400, message))
            return
        move = self._player.next(asked, self.mode, len(request.body))
        index = self._note(dialect, move, body)
        if move.mode is Mode.HANG:
            await answer.client_gone()
        elif move.mode.status != 200:
            error = dialect.error(move.mode.status, f"scripted answer {move.mode.status}")
            await answer.whole(move.mode.status, error)
        else:
            await self._say(dialect, move, answer, stream=asked.stream)
        self._note_complete(index)

    async def _say(self, dialect: Dialect, move: Move, answer: HttpAnswer, *, stream: bool) -> None:
        delay = self.delay if move.mode is Mode.SLOW else 0.0
        if not stream:
            await asyncio.sleep(delay)
            await answer.whole(200, dialect.answer(move.answer))
            return
        await answer.begin()
        for event in dialect.events(move.answer):
            if delay:
                await asyncio.sleep(delay)
            await answer.part(event.encode())
        await answer.part(b"")

    def _besides(self, request: HttpRequest) -> tuple[int, dict[str, Any]]:
        """Return what clients ask besides answers: is anybody there, what models, how many
        tokens.
        """
        if request.path.endswith("/count_tokens"):
            return 200, {"input_tokens": max(1, len(request.body) // 4)}
        if request.path.endswith("/models"):
            return 200, {"object": "list", "data": [], "models": [], "has_more": False}
        if request.path == "/served":
            totals, served = asdict(self.totals()), self.served
            return 200, {"totals": totals, "served": [one.summary() for one in served]}
        return (200, {}) if request.path == "/" else (404, {"error": {"message": "no such path"}})

    def _note(self, dialect: Dialect, move: Move, body: dict[str, Any]) -> int:
        answered = move.mode.status == 200 and move.mode is not Mode.HANG
        one = Served(
            api=dialect.name,
            mode=move.mode,
            status=move.mode.status,
            model=move.answer.model,
            response_id=move.answer.id if answered else None,
            tokens=dialect.sayable(move.answer.tokens),
            conversation=move.conversation,
            turn=move.turn,
            request=body,
        )
        with self._lock:
            self._served.append(one)
            return len(self._served) - 1

    def _note_complete(self, index: int) -> None:
        with self._lock:
            self._served[index] = replace(self._served[index], complete=True)
