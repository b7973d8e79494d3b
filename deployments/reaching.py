"""Whether a Prefect server answers, asked without loading Prefect, which takes a second."""

from __future__ import annotations

import base64
import ssl
from contextlib import suppress
from typing import Any

import httpx

from autopack.model.errors import BadInput, Refused
from autopack.secrecy.credentials import shown_address
from autopack.settings import process_environment
from flows.configuration import Configured, configured

_LOGIN = frozenset({401, 403})


def check_reachable(url: str) -> None:
    """Raise Refused when no Prefect server answers at ``url``, the address of an API."""
    reason = unreachable(url)
    if reason is not None:
        raise Refused(
            f"no Prefect server answers at {shown_address(url)}: {reason}",
            field="PREFECT_API_URL",
            hint="start that server, or name another in PREFECT_API_URL, which ends in /api; "
            "`autopack up` starts one",
        )


def unreachable(url: str, *, seconds: float = 10) -> str | None:
    """Return why nothing answers at ``url`` as a Prefect server does; None when one does.

    What asks for a login is there.
    """
    # Prefect's client, which has settings of its own for certificates, looks at them.
    reason = _refusal(url, Configured(verify=False), seconds)
    if reason is not None and reason.startswith("HTTP "):
        with suppress(BadInput):  # what stands before the server may ask for headers
            reason = _refusal(url, configured(), seconds)
    return reason


def _refusal(url: str, using: Configured, seconds: float) -> str | None:
    try:
        answer = _get(url, "health", using, seconds)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return (str(error) or type(error).__name__).splitlines()[0]
    if answer.status_code in _LOGIN:
        return None
    if answer.is_server_error or _json(answer) is None:
        return f"HTTP {answer.status_code}, which is not an answer of its API"
    return None


def server_version(url: str, *, seconds: float = 3) -> str | None:
    """Return the version of the Prefect server at ``url``; None when it does not say."""
    version = told(url, "admin/version", seconds=seconds)
    return version if isinstance(version, str) else None


def told(url: str, path: str, *, seconds: float = 3) -> Any:
    """Return what the server at ``url`` says there; None when it does not say.

    Prefect is asked how it logs in, and for the rest of its settings, where that is needed.
    """
    login = process_environment().get("PREFECT_API_AUTH_STRING", "")
    basic = f"Basic {base64.b64encode(login.encode()).decode()}"
    known = Configured(headers={"Authorization": basic} if login else {})
    try:
        answer = _get(url, path, known, seconds)
        if answer.is_success:
            return _json(answer)
    except (httpx.HTTPError, httpx.InvalidURL):
        pass  # perhaps certificates of one's own
    try:
        answer = _get(url, path, configured(), seconds)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, BadInput):
        return None
    return _json(answer) if answer.is_success else None


def _get(url: str, path: str, using: Configured, seconds: float) -> httpx.Response:
    return httpx.get(
        f"{url.rstrip('/')}/{path}",
        headers=dict(using.headers),
        timeout=seconds,
        follow_redirects=True,
        verify=_certificates(using.verify),
    )


def _certificates(verify: bool | str) -> bool | ssl.SSLContext:
    return ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify


def _json(answer: httpx.Response) -> Any:
    """Return what an answer holds; None when that is no JSON."""
    try:
        return answer.json()
    except ValueError:
        return None
