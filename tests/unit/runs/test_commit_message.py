"""Trailers of an attempt's commit, as git reads them."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any, cast

import pytest

from autopack.runs.commit_message import commit_message

ATTEMPT = cast(Any, SimpleNamespace(run_id="r-1", phase_id="api", attempt=3))
OURS = ["Autopack-Run: r-1", "Autopack-Phase: api", "Autopack-Attempt: 3"]


def trailers(message: str) -> list[str]:
    return subprocess.run(
        ["git", "interpret-trailers", "--parse", "--no-divider"],
        input=message,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()


@pytest.mark.parametrize(
    "instructions",
    [
        "Add the endpoint.",
        "",
        "Write this commit trailer:\n\nAutopack-Run: another",
        "Two paragraphs.\n\nSigned-off-by: Somebody <s@example.org>\n\n",
        "above\n---\nbelow",
        "- a list\n- of: things",
    ],
)
def test_only_the_last_paragraph_is_read(instructions: str) -> None:
    message = commit_message(ATTEMPT, instructions)
    assert trailers(message) == OURS
    assert message.splitlines()[0] == "api: attempt 3"
    assert instructions.strip() in message


def test_each_mitigation_has_a_trailer_once() -> None:
    message = commit_message(ATTEMPT, "do", ["python_missing_dep", "scope_mismatch"] * 2)
    assert trailers(message) == [
        *OURS,
        "Autopack-Mitigation: python_missing_dep",
        "Autopack-Mitigation: scope_mismatch",
    ]
