"""Whether a Prefect server answers, asked without loading Prefect, which takes a second."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import httpx

from autopack.errors import Refused

_LOGIN = frozenset({401, 403})


def check_reachable(url: str) -> None:
    """Raise Refused when no Prefect server answers at ``url``, the address of an API."""
    reason = unreachable(url)
    if reason is not None:
        raise Refused(
            f"no Prefect server answers at {url}: {reason}",
            field="PREFECT_API_URL",
            hint="start that server, or name another in PREFECT_API_URL, which ends in /api; "
            "`autopack up` starts one",
        )


def unreachable(url: str, *, seconds: float = 10) -> str | None:
    """Why nothing answers at ``url`` as a Prefect server does; None when one does.

    What asks for a login is there.
    """
    try:
        # Prefect's client, which has settings of its own for certificates, looks at them.
        answer = httpx.get(
            f"{url.rstrip('/')}/health",
            timeout=seconds,
            follow_redirects=True,
            verify=False,  # noqa: S501
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return (str(error) or type(error).__name__).splitlines()[0]
    if answer.status_code in _LOGIN:
        return None
    if answer.is_server_error or _json(answer) is None:
        return f"HTTP {answer.status_code}, which is not an answer of its API"
    return None


def server_version(url: str, environ: Mapping[str, str], *, seconds: float = 3) -> str | None:
    """The version of the Prefect server at ``url``; None when it does not say."""
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/admin/version",
            headers=_login(environ),
            timeout=seconds,
            follow_redirects=True,
        )
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    version = _json(answer) if answer.is_success else None
    return version if isinstance(version, str) else None


def _login(environ: Mapping[str, str]) -> dict[str, str]:
    """What Prefect's client sends to a server that asks for a password."""
    given = environ.get("PREFECT_API_AUTH_STRING")
    if not given:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(given.encode()).decode()}"}


def _json(answer: httpx.Response) -> Any:
    """What an answer holds; None when that is no JSON."""
    try:
        return answer.json()
    except ValueError:
        return None
