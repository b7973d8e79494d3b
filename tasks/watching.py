"""What a fleet shows while it runs and when it has ended: one table of all its runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from prefect import get_run_logger
from prefect.utilities.urls import url_for

from autopack.clock import Clock
from autopack.model.errors import NotFound
from autopack.store.database.engine import Database
from autopack.views.board import (
    Kind,
    board,
    headline,
    kind_of,
)
from autopack.views.escaping import markdown
from autopack.views.fleet_result import FleetItem
from autopack.views.fleet_standing import Standing, standings
from autopack.views.operating.page_links import campaign_address
from autopack.views.operating.run_groups import group_runs
from tasks.artifacts import (
    artifact_key,
    change_markdown,
    publish_markdown,
    publish_table,
    with_page,
)
from tasks.reporting import RunProgress

SECONDS = 10.0
"""How old the table may be; it is written only when it has changed."""

_ENDED = (Kind.DONE, Kind.FAILED, Kind.WAITS)


class FleetBoard:
    """The artifacts ``autopack-fleet-<name>`` and ``autopack-progress-<name>``.

    Written one after the other: two writes at once cost a Prefect server on SQLite two seconds.
    """

    def __init__(
        self, name: str, entries: Sequence[str | FleetItem], db: Database, clock: Clock
    ) -> None:
        self._name, self._db = name, db
        self._run_ids = [entry for entry in entries if isinstance(entry, str)]
        self._refused = [entry for entry in entries if isinstance(entry, FleetItem)]
        self._progress = RunProgress(name, clock)
        self._artifact: UUID | None = None
        self._shown = ""

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Keep both up to date while the block is open, and leave them as things are then."""
        ended = asyncio.Event()
        keeping = asyncio.create_task(self._keep(ended))
        try:
            yield
        finally:
            ended.set()
            await keeping

    async def _keep(self, ended: asyncio.Event) -> None:
        last = False
        while not last:
            last = ended.is_set()
            try:
                await self._show(last=last)
            except Exception as error:
                # Of no consequence to the runs: the server or the database may be back by then.
                get_run_logger().warning("the table of %s is not up to date: %s", self._name, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), SECONDS)

    async def _show(self, *, last: bool) -> None:
        runs = await asyncio.to_thread(standings, self._db, self._run_ids)
        said = headline(runs)
        total = len(self._run_ids) + len(self._refused)
        ended = sum(kind_of(run) in _ENDED for run in runs) + len(self._refused)
        await self._progress.show(100 * ended / total, said, last=last)
        table = fleet_markdown(runs, self._refused, _page)
        page = await asyncio.to_thread(_on_the_page, self._db, self._name)
        await self._write(with_page(table, page), said)

    async def _write(self, text: str, said: str) -> None:
        if text == self._shown:
            return
        if self._artifact is None:
            key = artifact_key("fleet", self._name)
            self._artifact = await publish_markdown(text, key=key, description=said)
        else:
            await change_markdown(self._artifact, text, description=said)
        self._shown = text


def fleet_markdown(
    runs: Sequence[Standing], refused: Sequence[FleetItem], link: Callable[[str], str | None]
) -> str:
    """Return the table of a fleet's runs, and below it those that were refused."""
    lines = [
        f"\n**{markdown(one.run_id)}** refused: {markdown(one.error or '')}\n" for one in refused
    ]
    return board(runs, link) + "".join(lines)


async def publish_fleet(name: str, items: Sequence[FleetItem], db: Database) -> None:
    """Publish how each run of a fleet ended, and what it spent."""
    runs: list[Standing] = standings(db, [item.run_id for item in items])
    await publish_table(
        [item.as_json() for item in items],
        key=artifact_key("summary", name),
        description=headline(runs),
    )


def _on_the_page(db: Database, name: str) -> str | None:
    """Return where the operations page shows the runs together; None where it does not."""
    address = campaign_address(name)
    with suppress(NotFound):
        if address is not None:
            group_runs(db, name)
        return address
    return None


def _page(flow_run_id: str) -> str | None:
    """Return where the UI shows a flow run."""
    return url_for("flow-run", obj_id=flow_run_id)
