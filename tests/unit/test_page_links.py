"""Where the page is, as people said it, and links to it."""

from __future__ import annotations

import pytest

from autopack.model.errors import BadInput
from autopack.views.operating.page_links import campaign_address, experiment_address, run_address

NAME = "AUTOPACK_PAGE_URL"


def test_a_run_is_found_at_the_address_that_was_said() -> None:
    assert run_address("fix-1", {}) is None
    for text in ("https://autopack.example.org", "https://autopack.example.org/"):
        assert run_address("fix-1", {NAME: text}) == "https://autopack.example.org/ui/runs/fix-1"
    assert (
        run_address("a/b?c", {NAME: "http://[::1]:4280"}) == "http://[::1]:4280/ui/runs/a%2Fb%3Fc"
    )


def test_fleets_campaigns_and_experiments_are_found_there_too() -> None:
    there = {NAME: "https://autopack.example.org"}
    assert campaign_address("night", there) == "https://autopack.example.org/ui/campaigns/night"
    assert experiment_address("a b", there) == "https://autopack.example.org/ui/experiments/a%20b"
    assert campaign_address("night", {}) is None


@pytest.mark.parametrize(
    "text",
    ["autopack.example.org", "ftp://x", "javascript:x", "https://", "https://u:p@x", "https://x?y"],
)
def test_what_is_no_address_of_a_site_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=NAME):
        run_address("fix-1", {NAME: text})
