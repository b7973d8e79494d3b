"""Retries of Prefect's client are set for a block, without reading all settings anew."""

from __future__ import annotations

import time
from statistics import median

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)

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


def test_it_costs_next_to_nothing() -> None:
    def cpu(block: object) -> float:
        began = time.process_time()
        with block:  # pyright: ignore
            pass
        return time.process_time() - began

    ours = median(cpu(client_retries(0)) for _ in range(5))
    prefects = cpu(temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}))
    assert ours < prefects / 10
