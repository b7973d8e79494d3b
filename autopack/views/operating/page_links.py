"""Addresses on the operations page, for what is shown elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from autopack.settings import PAGE_URL

PATH = "/ui"
"""Where the page is below the address of the API."""


def run_address(run_id: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return where the page shows a run; None where nobody has said where the page is."""
    return _address("runs", run_id, environ)


def campaign_address(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the same of a fleet or a campaign."""
    return _address("campaigns", name, environ)


def experiment_address(test_id: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the same of an experiment."""
    return _address("experiments", test_id, environ)


def _address(kind: str, name: str, environ: Mapping[str, str] | None) -> str | None:
    found = PAGE_URL.of(environ)
    return None if found is None else f"{found}{PATH}/{kind}/{quote(name, safe='')}"
