"""Is everything that a run needs in place? What `autopack health` and the API answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from autopack import __version__, home_server
from autopack.files.asides import list_asides
from autopack.model.errors import AutopackError
from autopack.model.features import kill_switches
from autopack.process import sandbox
from autopack.secrecy.credentials import shown_address
from autopack.settings import Settings, in_force, process_environment
from autopack.stack import running_stack
from autopack.store.circuits import list_circuits
from autopack.store.database.engine import Database
from autopack.store.folder_note import foreign_folders
from autopack.store.pauses import list_pauses
from autopack.views.pause_view import pause_view
from autopack.views.run_view import timestamp
from deployments.advice import advice
from deployments.reaching import refusal, server_version
from deployments.warm.handing_over import why_not

_MOST_ASIDES = 20


def examine() -> dict[str, Any]:
    """Return what `autopack health --json` prints; nothing is started or changed."""
    settings = Settings.from_environment()
    database, (prefect, is_usable) = _database(settings), _prefect(settings)
    status = "healthy"
    if not is_usable:
        status = "degraded"
    sandboxed = sandbox.said(process_environment())
    if "error" in database or sandboxed not in (None, sandbox.BWRAP):
        status = "unhealthy"
    return {
        "status": status,
        "version": __version__,
        "database": database,
        "prefect": prefect,
        "server": _server(settings),
        "kill_switches": {
            feature.value: forced
            for feature, forced in kill_switches(process_environment()).items()
        },
        "settings": in_force(),
        "circuits": _circuits(settings) if "error" not in database else [],
        "pauses": _pauses(settings) if "error" not in database else None,
        "sandbox": sandboxed,
        "home": _home(settings, database),
    }


def _database(settings: Settings) -> dict[str, Any]:
    try:
        db = Database.open(settings.database_url)
    except AutopackError as error:
        scheme, found, _ = settings.database_url.partition("://")
        return {
            "engine": scheme.partition("+")[0] if found else None,
            "url_masked": None,
            "identity": None,
            "schema": None,
            "head": None,
            "error": error.message,
            "hint": error.hint,
        }
    return {
        "engine": db.dialect,
        "url_masked": db.url_masked,
        "identity": db.identity,
        "schema": db.schema_version(),
        "head": db.head_version(),
    }


def _home(settings: Settings, database: dict[str, Any]) -> dict[str, Any]:
    """Return where things are kept, and what in there is not used: files that could not be read,
    and folders of other databases, None where this one is not known."""
    foreign = None
    if "error" not in database:
        db = Database.open(settings.database_url)
        foreign = [str(path) for path in foreign_folders(settings.home, db)]
    return {
        "path": str(settings.home),
        "set_aside": [
            {"path": str(one.path), "reason": one.reason, "at": timestamp(one.at)}
            for one in list_asides(settings.home)[:_MOST_ASIDES]
        ],
        "of_other_databases": foreign,
    }


def _circuits(settings: Settings) -> list[dict[str, Any]]:
    """Return every provider that was called; its state is what it was when it was last asked."""
    return [
        {
            "name": one.name,
            "state": one.state.value,
            "changed_at": timestamp(one.changed_at),
            "failures": one.failures,
            "transitions": one.transitions,
            "calls": one.calls,
            "refused": one.refused,
            "last_error": one.last_error,
        }
        for one in list_circuits(Database.open(settings.database_url))
    ]


def _pauses(settings: Settings) -> list[dict[str, Any]]:
    db = Database.open(settings.database_url)
    return [pause_view(one) for one in list_pauses(db)]


def _prefect(settings: Settings) -> tuple[dict[str, Any], bool]:
    """Return the server that flows would use, and whether they can; None for reachable when each
    process starts its own.

    The version is None, too, when the server asks for a login that it is not given.
    """
    from flows.configuration import check_configuration
    from flows.server import LOGIN, log_in, server_url

    check_configuration()
    url = server_url(settings)
    if url is None:
        found = home_server.running_server(settings.home)
        url = None if found is None else found.api_url
    if url is None:
        return {"reachable": None, "url": None, "version": None, "advice": []}, True
    log_in(settings.home, url, using=False)
    refused = refusal(url, seconds=3)
    answer: dict[str, Any] = {
        "reachable": refused is None or refused.field == LOGIN,
        "url": shown_address(url),
        "version": server_version(url) if refused is None else None,
        "advice": advice(url, settings.home) if refused is None else [],
    }
    if refused is not None and answer["reachable"]:
        answer["advice"] = [f"{refused.message}; {refused.hint}"]
    return answer, refused is None


def _server(settings: Settings) -> dict[str, Any]:
    """Return the server of this home: of `autopack up`, else the one that commands start on demand.

    ``ends_at`` is when one that nobody uses ends, None while it is used. ``warm_commands`` says
    whether a command like this one would be handed over to a process that has loaded everything,
    ``not_warm_because`` why not.
    """
    answer: dict[str, Any] = dict.fromkeys(
        ("started_by", "api_url", "ui_url", "pid", "since", "ends_at", "version")
    )
    stack, found = running_stack(settings.home), home_server.running_server(settings.home)
    if stack is not None:
        answer |= {"started_by": "up", "ui_url": stack.ui_url}
        answer |= {"api_url": stack.api_url, "pid": stack.pid, "since": _time(stack.started)}
    elif found is not None:
        unused = found.unused_since
        answer |= {"started_by": "on demand", "version": found.version}
        answer |= {"api_url": found.api_url, "pid": found.pid, "since": _time(found.started)}
        answer["ends_at"] = None if unused is None else _time(unused + found.idle_seconds)
    reason = why_not(process_environment())
    answer |= {"warm_commands": reason is None, "not_warm_because": reason}
    return {"running": stack is not None or found is not None} | answer


def _time(seconds: float) -> str | None:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
