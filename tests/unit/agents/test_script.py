"""The script builder does what its recording says, through the spool every builder uses."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.building import made
from support.projects import call, git

from autopack.agents.protocol import (
    BuildLimits,
    BuildRequest,
    BuildStatus,
)
from autopack.agents.registry import make_builder
from autopack.model.calls import (
    Exactness,
)
from autopack.model.errors import BadInput
from autopack.plan import Plan
from autopack.testing.script import ScriptBuilder
from autopack.workspace import Supervisor

PATCH = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    (tmp_path / "tree").mkdir()
    (tmp_path / "spool").mkdir()
    return BuildRequest(
        run_id="r",
        phase_id="one",
        attempt=1,
        build=1,
        goal="g",
        instructions="i",
        worktree=tmp_path / "tree",
        spool=tmp_path / "spool",
    )


@pytest.fixture
def record(tmp_path: Path):
    def recording(*builds: list[dict[str, Any]] | dict[str, Any]) -> ScriptBuilder:
        folder = tmp_path / "recording"
        folder.mkdir(exist_ok=True)
        listed = [{"steps": one} if isinstance(one, list) else one for one in builds]
        (folder / "one.yaml").write_text(yaml.safe_dump({"builds": listed}))
        return made(ScriptBuilder, recording=str(folder))

    return recording


async def build(builder: ScriptBuilder, request: BuildRequest):
    return await builder.build(request, Supervisor())


async def test_files_are_written_replaced_and_deleted(record, request_: BuildRequest) -> None:
    tree = request_.worktree
    (tree / "old").write_text("old")
    (tree / "gone").write_text("gone")
    files = {"old": "new\r\n", "deep/er": "käse", "gone": None, "never there": None}
    result = await build(record([{"files": files}]), request_)
    assert result.status is BuildStatus.ENDED
    assert (tree / "old").read_bytes() == b"new\r\n"
    assert (tree / "deep/er").read_text(encoding="utf-8") == "käse"
    assert not (tree / "gone").exists()


async def test_a_patch_is_applied(record, request_: BuildRequest) -> None:
    (request_.worktree / "x").write_text("old\n")
    await build(record([{"patch": PATCH}]), request_)
    assert (request_.worktree / "x").read_text() == "new\n"


async def test_a_patch_is_applied_inside_a_git_checkout_too(record, request_: BuildRequest) -> None:
    git(request_.worktree, "init", "-q")
    (request_.worktree / "x").write_text("old\n")
    await build(record([{"patch": PATCH}]), request_)
    assert (request_.worktree / "x").read_text() == "new\n"


async def test_a_patch_that_does_not_apply_is_said_and_the_rest_goes_on(
    record, request_: BuildRequest
) -> None:
    (request_.worktree / "x").write_text("something else\n")
    result = await build(record([{"patch": PATCH}, {"files": {"y": "1"}}]), request_)
    assert result.status is BuildStatus.ENDED
    assert "patch does not apply" in result.summary
    assert (request_.worktree / "x").read_text() == "something else\n"
    assert (request_.worktree / "y").exists()


async def test_the_summary_is_the_last_thing_printed(record, request_: BuildRequest) -> None:
    steps = [{"output": "first"}, {"output": "last"}, call(1)]
    assert (await build(record(steps), request_)).summary == "last"


async def test_every_build_has_its_own_steps_and_exit_status(record, request_) -> None:
    builder = record([{"files": {"x": "1"}}], {"steps": [{"files": {"x": "2"}}], "exit": 3})
    second = await build(builder, replace(request_, build=2))
    assert (second.status, second.exit_status) == (BuildStatus.ENDED, 3)
    assert (request_.worktree / "x").read_text() == "2"


async def test_a_build_beyond_the_recording_fails_and_says_so(record, request_) -> None:
    result = await build(record([]), replace(request_, build=2))
    assert (result.status, result.exit_status, result.calls) == (BuildStatus.FAILED, None, ())
    assert "has 1 builds, and build 2 was asked for" in result.summary


async def test_an_interrupted_build_is_replayed_under_its_number(record, request_) -> None:
    builder = record([call(5), {"files": {"x": "1"}}])
    await build(builder, request_)
    spool = request_.spool.with_name("spool-2")
    spool.mkdir()
    again = await build(builder, replace(request_, attempt=2, spool=spool))
    assert [one.total for one in again.calls] == [5]


async def test_a_delay_takes_its_time(record, request_: BuildRequest) -> None:
    began = time.monotonic()
    await build(record([{"delay": 0.05}]), request_)
    assert time.monotonic() - began >= 0.05


async def test_a_build_that_takes_too_long_is_ended_and_what_it_spent_is_known(
    record, request_: BuildRequest
) -> None:
    limited = replace(request_, limits=BuildLimits(seconds=0.05))
    result = await build(record([call(7), {"delay": 60}, call(9)]), limited)
    assert (result.status, result.exit_status) == (BuildStatus.TIMED_OUT, None)
    assert [one.total for one in result.calls] == [7]


async def test_a_cancelled_build_leaves_its_calls_in_the_spool(record, request_) -> None:
    builder = record([call(7), {"delay": 60}])
    task = asyncio.create_task(build(builder, request_))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one.total for one in builder.calls(request_.spool)] == [7]


async def test_calls_are_found_in_order_with_all_their_figures(record, request_) -> None:
    split = {
        "call": {
            "provider": "anthropic",
            "model": "claude-sonnet-4-5",
            "input": 1,
            "cache_read": 2,
            "output": 4,
            "response_id": "msg_1",
        }
    }
    builder = record([call(9), {"output": '{"call": "not one"}'}, split])
    result = await build(builder, request_)
    first, second = builder.calls(request_.spool)
    assert (first.total, first.input) == (9, None)
    assert (second.total, second.cache_write, second.response_id) == (7, 0, "msg_1")
    assert second.exactness is Exactness.EXACT
    assert result.calls == (first, second)


def test_an_attempt_that_never_built_spent_nothing(record, tmp_path: Path) -> None:
    assert record([]).calls(tmp_path) == ()


async def test_half_a_line_was_not_a_call(record, request_: BuildRequest) -> None:
    builder = record([call(7), call(8)])
    await build(builder, request_)
    spool = request_.spool / "builder.out"
    for cut in range(len(spool.read_bytes())):
        spool.write_bytes(spool.read_bytes()[: -1 or None])
        totals = [one.total for one in builder.calls(request_.spool)]
        assert totals in ([7], []), cut


def test_a_recording_must_be_named() -> None:
    with pytest.raises(BadInput) as refused:
        make_builder("script", {})
    assert refused.value.field == "recording"
    assert "--set recording=DIR" in (refused.value.hint or "")


def test_a_recording_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a folder"):
        make_builder("script", {"recording": str(tmp_path / "nowhere")})


def plan(*phase_ids: str) -> Plan:
    phases = [{"id": phase_id, "instructions": "i"} for phase_id in phase_ids]
    return Plan.from_json(json.dumps({"goal": "g", "phases": phases}))


def test_a_plan_is_checked_before_its_run_starts(record) -> None:
    builder = record([])
    builder.check(plan("one"))
    with pytest.raises(BadInput, match="no file for phase two"):
        builder.check(plan("one", "two"))
