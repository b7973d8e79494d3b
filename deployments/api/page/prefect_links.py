"""Addresses in Prefect's UI, where it is known which server runs flows here."""

from __future__ import annotations

from functools import lru_cache
from time import monotonic
from urllib.parse import quote

from autopack.secrecy.credentials import shown_address
from autopack.settings import Settings
from autopack.stack import running_stack

_LOOK_AGAIN_SECONDS = 30


def flow_run_address(settings: Settings, flow_run_id: str | None) -> str | None:
    """Return where Prefect's UI shows a flow run; None where no server with a UI is known."""
    ui = ui_address(settings)
    if ui is None or flow_run_id is None:
        return None
    return f"{ui}/runs/flow-run/{quote(flow_run_id, safe='')}"


def ui_address(settings: Settings) -> str | None:
    """Return the address of Prefect's UI."""
    return _looked_up(settings, int(monotonic() / _LOOK_AGAIN_SECONDS))


@lru_cache(maxsize=8)
def _looked_up(settings: Settings, turn: int) -> str | None:
    """Return the same, as it was in this turn: finding out reads files of Prefect's profiles."""
    stack = running_stack(settings.home)
    if stack is not None:
        return stack.ui_url.rstrip("/")
    from flows.server import server_url

    url = server_url(settings)
    if url is None:
        return None
    return shown_address(url).rstrip("/").removesuffix("/api")
