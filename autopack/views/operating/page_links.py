"""Addresses on the operations page, for what is shown elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from autopack.settings import PAGE_URL

PATH = "/ui"
"""Where the page is below the address of the API."""


def run_address(run_id: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return where the page shows a run; None where nobody has said where the page is."""
    found = PAGE_URL.of(environ)
    return None if found is None else f"{found}{PATH}/runs/{quote(run_id, safe='')}"
