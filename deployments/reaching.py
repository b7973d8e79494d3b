"""Whether a Prefect server answers, asked without loading Prefect, which takes a second."""

from __future__ import annotations

import base64
import ssl
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import httpx

from autopack.model.errors import BadInput, Refused
from autopack.secrecy.credentials import shown_address
from autopack.settings import process_environment
from flows.configuration import Configured, configured
from flows.server import LOGIN

_LOGIN = frozenset({401, 403})
_LOGIN_REFUSED = frozenset(f"HTTP {code}" for code in _LOGIN)
_CLOUD = "https://api.prefect.cloud/"


def check_reachable(url: str) -> None:
    """Raise Refused when no Prefect server answers at ``url``, the address of an API, or not to
    the login of this process.
    """
    refused = refusal(url)
    if refused is not None:
        raise refused


def refusal(url: str, *, seconds: float = 10) -> Refused | None:
    """Return the same, raising only BadInput, for a configuration that Prefect cannot read."""
    reason = unreachable(url, seconds=seconds) or _version_refusal(url, seconds)
    if reason is None:
        return None
    if reason in _LOGIN_REFUSED:
        return Refused(
            f"the Prefect server at {shown_address(url)} does not accept the login: {reason}",
            field=LOGIN,
            hint=f"set {LOGIN} to its user:password, or PREFECT_API_KEY to a key",
        )
    return Refused(
        f"no Prefect server answers at {shown_address(url)}: {reason}",
        field="PREFECT_API_URL",
        hint="start that server, or name another in PREFECT_API_URL, which ends in /api; "
        "`autopack up` starts one",
    )


def _version_refusal(url: str, seconds: float) -> str | None:
    """Return why the server does not tell its version, which Prefect's client asks it for first;
    None when it does, or when it is Prefect Cloud, which is not asked.
    """
    if url.startswith(_CLOUD):
        return None
    try:
        answer = _logged_in(url, "admin/version", seconds)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return _first_line(error)
    if answer.status_code in _LOGIN:
        return f"HTTP {answer.status_code}"
    said, own = _json(answer), version("prefect")
    if not answer.is_success or not isinstance(said, str) or not said[:1].isdigit():
        return f"HTTP {answer.status_code}, which is not an answer of its API"
    if said.partition(".")[0] != own.partition(".")[0]:
        return f"it is Prefect {said}, and this is Prefect {own}"
    return None


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
        return _first_line(error)
    if answer.status_code in _LOGIN:
        return None
    if answer.is_server_error or _json(answer) is None:
        return f"HTTP {answer.status_code}, which is not an answer of its API"
    return None


def server_version(url: str, *, seconds: float = 3) -> str | None:
    """Return the version of the Prefect server at ``url``; None when it does not say."""
    said = told(url, "admin/version", seconds=seconds)
    return said if isinstance(said, str) else None


def told(url: str, path: str, *, seconds: float = 3) -> Any:
    """Return what the server at ``url`` says there; None when it does not say.

    Prefect is asked how it logs in, and for the rest of its settings, where that is needed.
    """
    try:
        answer = _logged_in(url, path, seconds)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, BadInput):
        return None
    return _json(answer) if answer.is_success else None


def _logged_in(url: str, path: str, seconds: float) -> httpx.Response:
    """Return what the server answers to the login of this process, or to what Prefect sends."""
    login, key = (process_environment().get(name, "") for name in (LOGIN, "PREFECT_API_KEY"))
    basic = f"Basic {base64.b64encode(login.encode()).decode()}"
    given = basic if login else f"Bearer {key}" if key else None
    with suppress(httpx.HTTPError, httpx.InvalidURL):  # perhaps certificates of one's own
        answer = _get(
            url, path, Configured(headers={"Authorization": given} if given else {}), seconds
        )
        if answer.is_success:
            return answer
    return _get(url, path, configured(), seconds)


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


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _json(answer: httpx.Response) -> Any:
    """Return what an answer holds; None when that is no JSON."""
    try:
        return answer.json()
    except ValueError:
        return None
