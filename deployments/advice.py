"""What a Prefect server lacks that the servers Autopack starts have, and how to set it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autopack import home_server
from autopack.stack import running_stack
from deployments.reaching import told
from flows.server import ON_SQLITE

_SERVICES = ("server", "services")
# Where the server shows what each of them sets.
_SHOWN = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": ("task_run_recorder", "enabled"),
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": ("event_persister", "batch_size"),
}


def advice(url: str, home: Path) -> list[str]:
    """Settings that make a server on SQLite as quick as one of ours, for one that lacks them.

    Empty for a server that has them, says that it keeps its data elsewhere, or says nothing; and
    for the servers of ``home``.
    """
    stack, found = running_stack(home), home_server.running_server(home)
    if url.rstrip("/") in (one.api_url for one in (stack, found) if one is not None):
        return []
    settings = told(url, "admin/settings")
    if not hasattr(settings, "get") or _on_postgresql(settings):
        return []
    lacking = [
        f"{name}={ON_SQLITE[name]}"
        for name, (service, key) in _SHOWN.items()
        if _differs(_shown(settings, service, key), ON_SQLITE[name])
    ]
    if not lacking:
        return []
    return [
        "if this Prefect server keeps its data in SQLite, a phase takes about nine times as long "
        f"as it may: start it with {' '.join(lacking)}, or on PostgreSQL with "
        "PREFECT_SERVER_DATABASE_CONNECTION_URL (then all is well)",
    ]


def _on_postgresql(settings: dict[str, Any]) -> bool:
    """Return whether the server shows that; a URL is hidden, and one is needed for anything but
    SQLite.
    """
    database: dict[str, Any] = settings.get("server", {}).get("database", {})
    return "postgresql" in str(database.get("driver")) or bool(database.get("host"))


def _shown(settings: dict[str, Any], service: str, key: str) -> Any:
    found: Any = settings
    for name in (*_SERVICES, service, key):
        found = found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return found  # pyright: ignore[reportUnknownVariableType]


def _differs(shown: Any, wanted: str) -> bool:
    """Return whether a setting that the server shows is worse than ours; not one that it does not
    show.
    """
    if shown is None:
        return False
    if isinstance(shown, bool):
        return shown is not (wanted == "true")
    return int(shown) < int(wanted)
