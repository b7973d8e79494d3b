"""Recordings: what they may hold, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autopack.model.calls import (
    ModelCall,
)
from autopack.model.errors import BadInput
from autopack.plan.values import shown
from autopack.testing.recording import Step, load_phase

DIFF = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


def load(folder: Path, content: Any) -> Any:
    (folder / "one.yaml").write_text(
        content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8"
    )
    return load_phase(folder, "one")


def step_of(folder: Path, step: dict[str, Any]) -> Step:
    return load(folder, {"builds": [{"steps": [step]}]}).builds[0].steps[0]


def test_a_recording_lists_its_builds_in_order(tmp_path: Path) -> None:
    steps = [{"output": "reading"}, {"delay": 0.5}, {"files": {"x.py": "1", "old.py": None}}]
    recording = load(tmp_path, {"builds": [{"steps": steps, "exit": 3}, {}]})
    assert [build.exit for build in recording.builds] == [3, 0]
    assert [len(build.steps) for build in recording.builds] == [3, 0]
    assert recording.builds[0].steps[2].files == {"x.py": "1", "old.py": None}


# a call as written, and as the ledger counts it
CALLS = [
    # the split makes the total; what is not said is zero
    ({"input": 900, "output": 120}, ModelCall("p", "m", 1020, 900, 0, 0, 120, 0)),
    (
        {"input": 1, "cache_read": 2, "cache_write": 4, "output": 8, "reasoning": 5},
        ModelCall("p", "m", 15, 1, 2, 4, 8, 5),
    ),
    ({"input": 0, "output": 0}, ModelCall("p", "m", 0, 0, 0, 0, 0, 0)),
    # only a total: every part is unknown
    ({"total": 1020}, ModelCall("p", "m", 1020)),
    ({"total": 7, "response_id": "msg_1"}, ModelCall("p", "m", 7, response_id="msg_1")),
]


@pytest.mark.parametrize(("tokens", "counted"), CALLS)
def test_a_call_is_counted(tokens: dict[str, Any], counted: ModelCall, tmp_path: Path) -> None:
    step = step_of(tmp_path, {"call": {"provider": "p", "model": "m"} | tokens})
    assert step.call is not None
    assert step.call.as_model_call() == counted


# what is wrong, and words that say where
WRONG_STEPS = [
    ({}, "exactly one"),
    ({"output": "x", "delay": 1}, "exactly one"),
    ({"outptu": "x"}, "outptu"),
    # time
    ({"delay": -1}, "delay"),
    ({"delay": 86_401}, "delay"),
    ({"delay": "soon"}, "delay"),
    # tokens
    ({"call": {"provider": "p", "model": "m"}}, "total"),
    ({"call": {"provider": "p", "model": "m", "input": 1}}, "input and output"),
    ({"call": {"provider": "p", "model": "m", "total": 1, "input": 1, "output": 0}}, "not both"),
    ({"call": {"provider": "p", "model": "m", "total": -1}}, "call.total"),
    ({"call": {"model": "m", "total": 1}}, "call.provider"),
    ({"call": {"provider": "p", "model": "m", "total": 5, "cache_read": 5}}, "not both"),
    # paths
    ({"files": {"/etc/passwd": "x"}}, "/etc/passwd"),
    ({"files": {"../x": "x"}}, "../x"),
    ({"files": {"a/../../x": "x"}}, "a/../../x"),
    ({"files": {".git/config": "x"}}, ".git/config"),
    ({"files": {"": "x"}}, "relative path"),
    ({"files": {".": "x"}}, "relative path"),
    ({"files": {"a\0b": "x"}}, "relative path"),
    ({"files": {"x": 1}}, "files.x"),
    # a step says something
    ({"output": None}, "output"),
    ({"call": None}, "call"),
    ({"patch": None}, "patch"),
    ({"files": None}, "files"),
]


@pytest.mark.parametrize(("step", "words"), WRONG_STEPS)
def test_a_wrong_step_is_refused(step: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        step_of(tmp_path, step)
    assert refused.value.field == "recording"
    assert "one.yaml: builds.0.steps.0" in refused.value.message
    assert words in refused.value.message


# a whole file that cannot be used
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "one.yaml"),
        ("just text", "one.yaml"),
        ("builds: []", "builds"),
        ("steps: []", "builds"),
        ("builds: [{exit: no}]", "exit"),
        ("builds: [\n", "one.yaml: cannot be read"),
        ("builds: [!!python/object:os.system {}]", "cannot be read"),
        # what a loader of YAML raises for in its own way
        ("builds: [{exit: !!int x}]", "line 1: builds[0].exit: is not a number"),
        ("builds: [{exit: " + "9" * 5_000 + "}]", "line 1: builds[0].exit: is not a number"),
        ("builds: [{exit: !!bool x}]", "is not true or false"),
        ('builds: [{told: "\\ud800"}]', "half a character"),
        ("[" * 100_000, "nests deeper"),
        ("a: &a [*a]", "nests deeper"),
        ("builds: &b [{<<: *b}]", "merge key"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(content: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        load(tmp_path, content)
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=r"one.yaml: cannot be read"):
        load_phase(tmp_path, "one")


def test_a_phase_without_a_recording_says_which_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file for phase two") as refused:
        load_phase(tmp_path, "two")
    assert "two.yaml" in (refused.value.hint or "")


def test_a_patch_is_written_out_or_lies_beside_the_recording(tmp_path: Path) -> None:
    (tmp_path / "fix.patch").write_text(DIFF)
    assert step_of(tmp_path, {"patch": DIFF}).patch == DIFF
    assert step_of(tmp_path, {"patch": "fix.patch"}).patch == DIFF


# no file of that name, and names that no file can have
@pytest.mark.parametrize("name", ["missing.patch", "a\0b", "n" * 5_000, ""])
def test_a_patch_that_is_not_there_is_refused_before_the_run(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=rf"{shown(name)} cannot be read".replace("\\", r"\\")):
        step_of(tmp_path, {"patch": name})


# YAML takes them for dates, with and without a calendar that has them
@pytest.mark.parametrize("date", ["2026-13-45", "2026-01-02", "!!timestamp x"])
def test_an_output_that_looks_like_a_date_is_text(date: str, tmp_path: Path) -> None:
    recording = load(tmp_path, f"builds: [{{steps: [{{output: {date}}}]}}]")
    assert recording.builds[0].steps[0].output == date.removeprefix("!!timestamp ")


def test_a_file_keeps_its_very_text(tmp_path: Path) -> None:
    text = "käse 😀\r\n\ttab, no end of line"
    assert step_of(tmp_path, {"files": {"x": text}}).files == {"x": text}
