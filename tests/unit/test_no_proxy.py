"""A proxy that the user has set is not asked for what is on this machine."""

from __future__ import annotations

import os

import httpx
import pytest

from flows import server


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("before", [None, "", "intranet, 10.0.0.1", "127.0.0.1"])
def test_this_machine_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch, proxy: str, before: str | None
) -> None:
    _forget(monkeypatch)
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    if before is not None:
        monkeypatch.setenv("NO_PROXY", before)

    server._reach("http://127.0.0.1:4200/api")

    with httpx.Client() as client:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            used = client._transport_for_url(httpx.URL(f"http://{host}:4200/api"))
            assert used is client._transport
        elsewhere = client._transport_for_url(httpx.URL("http://example.org"))
        assert (elsewhere is client._transport) == (proxy == "HTTPS_PROXY")
    assert set((before or "").replace(" ", "").split(",")) - {""} <= set(
        os.environ["NO_PROXY"].split(",")
    )


def test_nothing_is_said_where_no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    server._reach("http://127.0.0.1:4200/api")
    assert "NO_PROXY" not in os.environ


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this test stays, and none is there when it begins."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        for spelling in (name, name.lower()):
            monkeypatch.setenv(spelling, "")
            monkeypatch.delenv(spelling)
    for name in (server._AUTHORITIES, "PREFECT_API_URL"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
