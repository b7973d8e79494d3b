"""How often Prefect's client repeats a request that failed, for the calls in a block."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from prefect.context import SettingsContext, get_settings_context


@contextmanager
def client_retries(most: int) -> Generator[None]:
    """Let requests in the block be repeated at most ``most`` times.

    Prefect's ``temporary_settings`` reads and validates all settings anew, which takes longer than
    the request; here one value changes, and the others are shared.
    """
    context = get_settings_context()
    client = context.settings.client.model_copy(update={"max_retries": most})
    settings = context.settings.model_copy(update={"client": client})
    with SettingsContext(profile=context.profile, settings=settings):
        yield
