"""The simulated agent: the same seed does the same, and its spec is checked."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from support.building import made

from autopack.agents.protocol import (
    BuildLimits,
    BuildRequest,
    BuildResult,
    BuildStatus,
)
from autopack.model.errors import BadInput
from autopack.process.supervisor import Supervisor
from autopack.testing.simulated import SimulatedBuilder


async def build(tmp_path: Path, spec: str, number: int = 1, **more: Any) -> BuildResult:
    folder = tmp_path / token_hex(4)
    (folder / "spool").mkdir(parents=True)
    (folder / "tree").mkdir()
    file = folder / "spec.yaml"
    file.write_text(spec)
    request = BuildRequest(
        run_id="r",
        phase_id="one",
        attempt=number,
        build=number,
        goal="g",
        instructions="i",
        worktree=folder / "tree",
        spool=folder / "spool",
        **more,
    )
    return await made(SimulatedBuilder, spec=str(file), seed=3).build(request, Supervisor())


async def test_the_same_seed_does_the_same_and_another_build_something_else(
    tmp_path: Path,
) -> None:
    first, again = await build(tmp_path, ""), await build(tmp_path, "")
    other = await build(tmp_path, "", number=2)
    assert first == again
    assert first.calls != other.calls


@pytest.mark.parametrize(
    ("spec", "status", "summary"),
    [
        ("success: 1", BuildStatus.ENDED, "done"),
        ("success: 0", BuildStatus.ENDED, "broken"),
        ("error: 1", BuildStatus.FAILED, "provider error 500"),
        ("crash: 1", BuildStatus.FAILED, "crashed"),
        ("hang: 1", BuildStatus.TIMED_OUT, "out of time"),
    ],
)
async def test_fates(tmp_path: Path, spec: str, status: BuildStatus, summary: str) -> None:
    result = await build(tmp_path, spec, limits=BuildLimits(seconds=0.5))
    assert result.status is status
    assert summary in result.summary


async def test_it_makes_no_call_that_it_may_not(tmp_path: Path) -> None:
    result = await build(
        tmp_path, "calls: 9", refuse_call=lambda calls: "enough" if len(calls) == 3 else None
    )
    assert (len(result.calls), result.summary) == (3, "ended: enough")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("success: 2", "success"),
        ("calls: {uniform: [3, 1]}", "calls"),
        ("calls: {uniform: [1, 3], constant: 1}", "calls"),
        ("unknown: 1", "unknown"),
        ("{error: 0.6, crash: 0.6}", "spec"),
        (": [", "spec"),
        # what a loader of YAML raises for in its own way
        ("success: 2026-13-45", "success"),
        ("calls: !!timestamp x", "calls"),
        ("calls: !!int x", "calls"),
        ("[" * 3_000, "spec"),
        ("[" * 100_000, "spec"),
        ("calls: &a [*a]", "calls"),
        ("model: \xff", "spec"),  # Latin-1, not UTF-8
    ],
)
def test_a_wrong_spec_names_its_key(tmp_path: Path, spec: str, field: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(spec, encoding="latin-1")
    with pytest.raises(BadInput) as refused:
        made(SimulatedBuilder, spec=str(file))
    assert refused.value.field == field
