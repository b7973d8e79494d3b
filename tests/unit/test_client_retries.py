"""Retries of Prefect's client are set for a block, without reading all settings anew."""

from __future__ import annotations

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
)
from pydantic import BaseModel

from tasks.retries import client_retries


def test_one_setting_changes_for_the_block_alone() -> None:
    before, url = PREFECT_CLIENT_MAX_RETRIES.value(), PREFECT_API_URL.value()
    with client_retries(0):
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 0
        assert PREFECT_API_URL.value() == url
        with client_retries(2):
            assert get_current_settings().client.max_retries == 2
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 0
    assert PREFECT_CLIENT_MAX_RETRIES.value() == before


def test_it_is_left_also_by_an_error() -> None:
    before = PREFECT_CLIENT_MAX_RETRIES.value()
    with pytest.raises(RuntimeError), client_retries(0):
        raise RuntimeError
    assert PREFECT_CLIENT_MAX_RETRIES.value() == before


def test_all_other_settings_are_shared_and_not_read_anew() -> None:
    before = get_current_settings()
    groups = [name for name, value in before.__dict__.items() if isinstance(value, BaseModel)]
    with client_retries(0):
        now = get_current_settings()
        changed = [name for name in groups if getattr(now, name) is not getattr(before, name)]
    assert changed == ["client"]
