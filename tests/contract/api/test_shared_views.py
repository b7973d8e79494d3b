"""Requests of one moment share a run's view, which is never older than the run's last event."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from support.contract_api import Api
from support.failed_run import fail, make

from autopack.access.scopes import Scope
from autopack.model.errors import NotFound
from autopack.store import tables
from autopack.views.run_view import run_view
from deployments.api.page.pages import overview_page, run_page
from deployments.api.shared_views import LIFETIME, SharedViews

RUN = tables.runs.c.run_id == "failed"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def failed(api: Api, tmp_path: Any) -> Api:
    fail(make(tmp_path), api.service.settings)
    return api


def test_a_view_is_shared_until_it_is_old_or_the_run_changes(failed: Api) -> None:
    db, clock = failed.service.db, Clock()
    views = SharedViews(db, clock)
    first = views.get("failed")
    assert first == run_view(db, "failed")

    clock.now += LIFETIME / 2
    assert views.get("failed") is first, "nothing happened"
    clock.now += LIFETIME
    second = views.get("failed")
    assert second is not first, "what was spent may have changed"

    db.transact(
        lambda conn: conn.execute(
            sa.update(tables.runs).where(RUN).values(state="DONE_FAILED_ENVIRONMENT")
        )
    )
    assert views.get("failed")["state"] == "DONE_FAILED_ENVIRONMENT", "at once"
    again = views.get("failed")
    views.forget()
    assert views.get("failed") is not again


def test_many_at_once_make_one_view(failed: Api) -> None:
    views = SharedViews(failed.service.db, Clock())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: views.get("failed"), range(40)))
    assert len({id(view) for view in found}) == 1


def test_a_run_that_does_not_exist_is_not_found_each_time(failed: Api) -> None:
    views = SharedViews(failed.service.db, Clock())
    for _ in range(2):
        with pytest.raises(NotFound):
            views.get("nowhere")


def test_a_reader_without_content_takes_it_from_nobody_else(failed: Api) -> None:
    reads, reads_all = failed.key(Scope.READ), failed.key(Scope.READ, Scope.CONTENT)
    for _ in range(2):
        hidden = failed.client.get("/runs/failed", headers=reads).json()
        shown = failed.client.get("/runs/failed?content=true", headers=reads_all).json()
        assert hidden["phases"][1]["last_failure"]["lines"] is None
        assert shown["phases"][1]["last_failure"]["lines"] is not None


def test_streams_share_one_look_and_render_only_what_is_new(failed: Api) -> None:
    service, made = failed.service, 0

    def make() -> dict[str, Any]:
        nonlocal made
        made += 1
        return {"made": made}

    clock, number = Clock(), 1
    views = SharedViews(service.db, clock)
    looks = [views.share("x", make, number=lambda: number, lifetime=3.0) for _ in range(50)]
    assert all(one is looks[0] for one in looks)
    number = 2
    assert views.share("x", make, number=lambda: number, lifetime=3.0) == {"made": 2}
    clock.now += 3.0
    assert views.share("x", make, number=lambda: number, lifetime=3.0) == {"made": 3}
    assert run_page.live_values("failed", service) is run_page.live_values("failed", service)
    assert overview_page.live_values(service) is overview_page.live_values(service)
