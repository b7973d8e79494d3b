"""Autopack's own agent against the scripted server: what it may touch, and what it counts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.building import made
from support.tools import needs

from autopack.agents.api.agent import ApiBuilder
from autopack.agents.api.confined_tools import ConfinedTools, ToolRefused
from autopack.agents.protocol import BuildLimits, BuildRequest, BuildStatus
from autopack.process.sandbox import Sandbox
from autopack.process.supervisor import Supervisor
from autopack.testing.model_server import ScriptedModelServer


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., BuildRequest]:
    def make(**more: Any) -> BuildRequest:
        for name in ("tree/src", "tree/tests", "tree/.git", "spool"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "tree/src/calc.py").write_text("def add(a, b):\n    return a - b\n")
        (tmp_path / "tree/out").symlink_to(tmp_path)
        return BuildRequest(
            run_id="r",
            phase_id="one",
            attempt=1,
            build=1,
            goal="g",
            instructions="Make add add.",
            worktree=tmp_path / "tree",
            spool=tmp_path / "spool",
            scope_paths=["src/"],
            read_only=["src/fixed.py"],
            checks=[("grep", "-q", "a + b", "src/calc.py")],
            **more,
        )

    return make


def turn(name: str, usage: dict[str, int], **arguments: Any) -> dict[str, Any]:
    return {"tools": [{"name": name, "arguments": arguments}], "usage": usage}


EDIT = {"path": "src/calc.py", "old": "a - b", "new": "a + b"}
REPAIR = {
    "turns": [
        turn("read_file", {"input": 100, "cache_read": 50, "output": 7}, path="src/calc.py"),
        turn(
            "edit_file", {"input": 200, "output": 9}, path="src/calc.py", old="a - b", new="a + b"
        ),
        turn("run_checks", {"input": 300, "output": 11}),
        {"text": "It adds.", "usage": {"input": 400, "cache_read": 60, "output": 13}},
    ]
}


@pytest.mark.parametrize("provider", ["openai-chat", "openai-responses", "anthropic"])
async def test_it_repairs_the_file_and_counts_every_token(
    provider: str, request_for: Callable[..., BuildRequest]
) -> None:
    request = request_for()
    with ScriptedModelServer(REPAIR) as server:
        url = server.url if provider == "anthropic" else server.openai_url
        builder = made(ApiBuilder, model="fake-model", provider=provider, base_url=url)
        result = await builder.build(request, Supervisor())
        counted = server.totals()

    assert (result.status, result.summary) == (BuildStatus.ENDED, "It adds.")
    assert "a + b" in (request.worktree / "src/calc.py").read_text()
    for figure in ("total", "input", "cache_read", "cache_write", "output"):
        assert sum(getattr(call, figure) for call in result.calls) == getattr(counted, figure)


async def test_it_makes_no_call_that_it_may_not(request_for: Callable[..., BuildRequest]) -> None:
    request = request_for(refuse_call=lambda calls: "enough" if len(calls) == 2 else None)
    with ScriptedModelServer(REPAIR) as server:
        builder = made(ApiBuilder, model="fake-model", base_url=server.openai_url)
        result = await builder.build(request, Supervisor())
        assert server.totals().calls == 2
    assert (result.status, result.summary) == (BuildStatus.FAILED, "ended: enough")


@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("500", BuildStatus.FAILED, "provider error 500"),
        ("429", BuildStatus.FAILED, "provider error 429"),
        ("hang", BuildStatus.TIMED_OUT, "out of time"),
    ],
)
async def test_a_provider_that_fails(
    mode: str, status: BuildStatus, words: str, request_for: Callable[..., BuildRequest]
) -> None:
    seconds = 3.0 if mode == "hang" else 60.0
    with ScriptedModelServer(REPAIR, mode=mode) as server:
        builder = made(ApiBuilder, model="fake-model", base_url=server.openai_url)
        request = request_for(limits=BuildLimits(seconds=seconds))
        result = await builder.build(request, Supervisor())
    assert result.status is status
    assert words in result.summary


async def test_a_model_that_falls_silent_ends_the_build(
    request_for: Callable[..., BuildRequest],
) -> None:
    with ScriptedModelServer(REPAIR, mode="hang") as server:
        builder = made(ApiBuilder, model="fake-model", base_url=server.openai_url, stall="1")
        result = await builder.build(request_for(), Supervisor())
    assert (result.status, result.summary) == (BuildStatus.TIMED_OUT, "was silent for 1 s")


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("read_file", {"path": "../secret"}, "outside the worktree"),
        ("read_file", {"path": "/etc/passwd"}, "outside the worktree"),
        # a link that leads out
        ("read_file", {"path": "out/secret"}, "outside the worktree"),
        ("write_file", {"path": "out/new", "content": ""}, "outside the worktree"),
        ("read_file", {"path": ".git/config"}, "belongs to git"),
        ("write_file", {"path": "tests/new.py", "content": ""}, "outside the scope"),
        ("write_file", {"path": "src/fixed.py", "content": ""}, "read-only"),
        ("write_file", {"path": "src/../tests/x", "content": ""}, "outside the scope"),
        ("edit_file", {"path": "src/calc.py", "old": "a", "new": "b"}, "times"),
    ],
)
def test_tools_are_confined(
    tool: str, arguments: dict[str, str], words: str, request_for: Callable[..., BuildRequest]
) -> None:
    tools = ConfinedTools(request_for(), Supervisor())
    with pytest.raises(ToolRefused, match=words):
        getattr(tools, tool)(**arguments)


class Found:
    """What a search answers in a tree, and how it is refused."""

    def __init__(self, request: BuildRequest, supervisor: Supervisor | None = None) -> None:
        self.tree = request.worktree
        self.tools = ConfinedTools(request, supervisor or Supervisor())

    def __call__(self, pattern: str, folder: str = ".") -> list[str]:
        return asyncio.run(self.tools.search(pattern, folder)).split("\n")


@pytest.fixture
def search(request_for: Callable[..., BuildRequest]) -> Found:
    return Found(request_for(environment={"PATH": os.environ["PATH"]}))


def test_a_search_finds_lines_below_a_folder(search: Found) -> None:
    (search.tree / "tests" / "x.py").write_text("return\n" * 500)
    assert search("ret.rn", "src") == ["src/calc.py:2:    return a - b"]
    assert search("nowhere") == ["nothing matches"]
    assert len(search("return")) == 401  # and that there are more


@pytest.mark.parametrize(
    ("pattern", "folder", "words"),
    [
        ("(", ".", "regular expression"),
        ("x{1,99999999999}", ".", "regular expression"),
        ("x", "../spool", "outside the worktree"),
        ("x", ".git", "belongs to git"),
        # takes longer than the universe has existed
        ("(a+)+$", ".", "took more than"),
    ],
)
def test_a_search_is_refused(
    pattern: str, folder: str, words: str, search: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autopack.agents.api.confined_tools._SEARCH_SECONDS", 1.0)
    (search.tree / "f").write_text("a" * 60 + "b\n")
    with pytest.raises(ToolRefused, match=words):
        search(pattern, folder)


def test_a_search_passes_over_what_is_no_text(search: Found, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("needle")
    (search.tree / "link").symlink_to(tmp_path / "secret")
    (search.tree / "endless").symlink_to("/dev/zero")
    os.mkfifo(search.tree / "pipe")
    (search.tree / "binary").write_bytes(b"needle\0")
    with (search.tree / "huge").open("wb") as huge:
        huge.truncate(3_000_000_000)
    (search.tree / "long").write_text("needle" + "x" * 1_000_000 + "\n")

    [found] = search("needle")

    assert found == "long:1:needle" + "x" * 294


@needs("bwrap")
def test_a_search_is_confined_like_other_programs(
    request_for: Callable[..., BuildRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    sandbox = Sandbox.of({**os.environ, "AUTOPACK_SANDBOX": "bwrap"}, home=tmp_path / "home")
    search = Found(
        request_for(environment={"PATH": os.environ["PATH"]}), Supervisor(sandbox=sandbox)
    )
    assert search("return") == ["src/calc.py:2:    return a - b"]
