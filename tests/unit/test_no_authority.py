"""Prefect's clients read no authorities where no server is reached over TLS."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from autopack import home_server
from autopack.settings import Settings
from flows import server

AUTHORITIES = "PREFECT_API_SSL_CERT_FILE"
OWN = str(Path(server.__file__).with_name("no_authority.pem"))


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    monkeypatch.setattr(os, "environ", before)
    monkeypatch.setattr(server, "_is_chosen", False)


@pytest.mark.parametrize(
    ("before", "url", "after"),
    [
        (None, "http://127.0.0.1:4200/api", OWN),
        ("/etc/ours.pem", "http://127.0.0.1:4200/api", "/etc/ours.pem"),
        (None, "https://prefect.example.com/api", None),
        (OWN, "https://prefect.example.com/api", None),
        ("/etc/ours.pem", "https://prefect.example.com/api", "/etc/ours.pem"),
    ],
)
def test_a_server_over_tls_is_checked_as_ever(
    before: str | None, url: str, after: str | None
) -> None:
    if before is not None:
        os.environ[AUTHORITIES] = before
    os.environ["PREFECT_API_URL"] = url
    server.choose_server(Settings.from_environment())
    assert os.environ.get(AUTHORITIES) == after
    assert os.environ["PREFECT_API_URL"] == url


def test_the_homes_own_server_needs_none(tmp_path: Path) -> None:
    server.use_home_server(tmp_path, "http://127.0.0.1:1/api")
    home_server.let_go(tmp_path)
    assert os.environ[AUTHORITIES] == OWN


def test_it_vouches_for_nobody() -> None:
    [only] = ssl.create_default_context(cafile=OWN).get_ca_certs()
    assert only["subject"] == ((("commonName", "Nobody: no server is reached over TLS"),),)
