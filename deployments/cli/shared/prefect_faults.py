"""Faults that come from Prefect: its configuration here, or what its server answered."""

from __future__ import annotations

import sys

from autopack.model.errors import AutopackError, BadInput, WorkFailed


def of_prefect(error: Exception) -> AutopackError | None:
    """Return what Prefect ended a command for, in plain words; None when it was not Prefect."""
    if "prefect" not in sys.modules:
        return None
    from flows.configuration import configured

    try:
        configured()
    except BadInput as wrong:
        return wrong
    return _answered(error)


def _answered(error: Exception) -> WorkFailed | None:
    from prefect.exceptions import PrefectHTTPStatusError

    from autopack.secrecy.credentials import shown_address

    if not isinstance(error, PrefectHTTPStatusError):
        return None
    asked = f"{error.request.method} {shown_address(str(error.request.url))}"
    return WorkFailed(
        f"the Prefect server answered HTTP {error.response.status_code} to {asked}",
        field="PREFECT_API_URL",
        hint="see what the log of that server says, and what its login may do",
    )
