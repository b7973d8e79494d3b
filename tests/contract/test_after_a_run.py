"""Looking at what a run did, and taking its work: `logs`, `diff`, `merge`, `clean`, `features`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import Project, git

from autopack.model.ids import AttemptKey
from autopack.settings import Settings
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.views.build_log import BuildLog, lines_of

SAID = {
    "claude": {
        "type": "assistant",
        "message": {
            "content": [
                {"type": "text", "text": "I look\nfirst."},
                {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}},
            ]
        },
    },
    "codex": {"type": "item.completed", "item": {"type": "command_execution", "command": "ls"}},
    "opencode": {
        "type": "tool_use",
        "part": {"tool": "bash", "state": {"input": {"command": "ls"}}},
    },
    "pi": {
        "type": "message_end",
        "message": {
            "role": "assistant",
            "content": [{"type": "toolCall", "name": "bash", "arguments": {"command": "ls"}}],
        },
    },
    "gemini": {"type": "tool_use", "tool_name": "bash", "parameters": {"command": "ls"}},
}


@pytest.fixture
def succeeded(autopack: Any, failed_run: str, settings: Settings, tmp_path: Path) -> str:
    """The same run, as if its first phase had been all, on a copy of its repository."""
    copy = tmp_path / "copy"
    shutil.copytree(_repository(autopack, failed_run), copy)
    _change(settings, failed_run, state="DONE_SUCCESS", repo=str(copy))
    return failed_run


def _change(settings: Settings, run_id: str, **values: object) -> None:
    db = Database.open(settings.database_url)
    update = sa.update(tables.runs).where(tables.runs.c.run_id == run_id).values(**values)
    db.transact(lambda conn: conn.execute(update))
    db.close()


def _repository(autopack: Any, run_id: str) -> Path:
    return Path(autopack("show", run_id, "--json").json["repo"])


@pytest.mark.parametrize("agent", SAID)
def test_a_tool_is_shown_whatever_agent_used_it(agent: str) -> None:
    assert lines_of(json.dumps(SAID[agent]).encode())[-1].replace(">  ", "> ") in (
        "> ls",
        "> bash ls",
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a plain line\n", ["a plain line"]),
        (b"\x1b[31mred\x1b[0m \x07bell\n", ["red bell"]),
        (b"\xff not text\n", ["\ufffd not text"]),
        (b'{"type": "stream_event", "event": {}}\n', []),
        (b'{"call": {"model": "m", "total": 5}}\n', []),
        (b'{"type": "assistant", "message": {"content": 7}}\n', []),
        (b'{"type": "assistant", "message": []}\n', []),
        (b'{"cut off', []),
        (b"[" * 100_000, ["[" * 399 + "\u2026"]),
        (b'{"error": {"message": "not logged in"}}', ["error: not logged in"]),
        (b"\n", []),
        # the same in colours, and two on a line
        (b'\x1b[1m{"type":"text","part":{"text":"hi"}}\x1b[0m\n', ["hi"]),
        (b'{"type":"text","part":{"text":"a"}}{"type":"text","part":{"text":"b"}}\n', ["a", "b"]),
        (b'{"type":"message","role":"assistant","content":"I look."}', ["I look."]),
        (b'{"type":"message","role":"user","content":"the prompt"}', []),
        (b'{"type":"assistant","message":{"content":"I look."}}', ["I look."]),
        # what went wrong, as each tells it
        (b'{"type":"result","is_error":true,"result":"Not logged in"}', ["error: Not logged in"]),
        (b'{"type":"result","is_error":false,"result":"Done"}', []),
        (b'{"type":"result","error":{"message":"[API Error]"}}', ["error: [API Error]"]),
        (b'{"type":"error","error":{"name":"APIError","data":{"message":"no"}}}', ["error: no"]),
        (b'{"type":"error","error":{"name":"APIError"}}', ["error: APIError"]),
        # what no version wrote so far
        (b'{"type":"item.completed","item":{"type":"file_change","changes":null}}', ["> change"]),
        (b'{"type":"item.completed","item":{"type":"file_change","changes":[1,{}]}}', ["> change"]),
        (b'{"type":"item.completed","item":{"type":"command_execution","command":null}}', [">"]),
    ],
)
def test_a_line_is_for_people_or_is_not_shown(raw: bytes, shown: list[str]) -> None:
    assert lines_of(raw) == shown


def test_a_log_tells_each_line_once_and_no_half_of_one(tmp_path: Path) -> None:
    spool = tmp_path / "spool" / "p" / "1"
    spool.mkdir(parents=True)
    log = BuildLog(tmp_path, AttemptKey("run", "p", 1))
    assert list(log.read()) == []
    (spool / "builder.out").write_text("one\ntw")
    assert list(log.read()) == ["one"]
    (spool / "builder.out").write_text("one\ntwo\n")
    assert list(log.read()) == ["two"]
    (spool / "builder.out").write_text("one\ntwo\nthree")
    assert list(log.read()) == []
    assert list(log.read(is_over=True)) == ["three"]
    assert list(log.read(is_over=True)) == []


def test_logs_are_of_one_phase_and_hold_no_secret(
    autopack: Any, failed_run: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "canary-0123456789-abcdef")
    for phase in ("one", "two"):
        path = settings.home / "runs" / failed_run / "spool" / phase / "1" / "builder.out"
        path.write_text(f"of {phase}: canary-0123456789-abcdef\n")

    answer = autopack("logs", failed_run, "--phase", "two", "--json").json

    assert [(one["phase_id"], one["attempt"]) for one in answer["lines"]] == [("two", 1)]
    assert answer["lines"][0]["text"] == "of two: [secret]"
    assert "canary" not in autopack("logs", failed_run).out
    last = autopack("logs", failed_run, "--limit", "1", "--json").json
    assert (len(last["lines"]), last["omitted"]) == (1, 1)


def test_diff_is_of_the_run_a_phase_or_a_failed_attempt(autopack: Any, failed_run: str) -> None:
    whole = autopack("diff", failed_run, "--json").json
    failed = autopack("diff", failed_run, "--phase", "two", "--attempt", "1", "--json").json

    assert [one["path"] for one in whole["files"]] == ["a"]
    assert failed["files"] == [{"path": "b", "added": 1, "removed": 0}]
    assert "+++ b/b" in failed["diff"]
    assert "a | 1 +" in autopack("diff", failed_run, "--stat").out


def test_a_failed_run_names_its_branch_only_where_there_is_one(
    autopack: Any, failed_run: str, settings: Settings
) -> None:
    hint = autopack("merge", failed_run, "--json").json["error"]["hint"]
    assert f"git merge autopack/{failed_run}" in hint
    _change(settings, failed_run, head_commit=None)
    assert "git merge" not in autopack("merge", failed_run, "--json").json["error"]["hint"]


def test_a_run_is_merged_into_a_clean_checkout(autopack: Any, succeeded: str) -> None:
    repo = _repository(autopack, succeeded)

    answer = autopack("merge", succeeded, "--json").json

    assert answer["branch"] == "main"
    assert git(repo, "rev-parse", "HEAD").strip() == answer["commit"]
    assert git(repo, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_squashed_run_is_staged_for_a_commit_of_ones_own(autopack: Any, succeeded: str) -> None:
    repo = _repository(autopack, succeeded)
    git(repo, "commit", "-q", "--allow-empty", "-m", "moved on")
    head = git(repo, "rev-parse", "HEAD")

    assert autopack("merge", succeeded, "--squash").code == 0

    assert git(repo, "rev-parse", "HEAD") == head
    assert git(repo, "diff", "--cached", "--name-only").split() == ["a"]


def _dirty(repo: Path) -> None:
    tracked = git(repo, "ls-files").split()
    if not tracked:
        (repo / "tracked").write_text("1")
        git(repo, "add", "tracked")
        return
    (repo / tracked[0]).write_text("changed")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_dirty, "uncommitted changes"),
        (lambda repo: git(repo, "checkout", "-q", "--detach"), "on no branch"),
        (lambda repo: git(repo, "commit", "-q", "--allow-empty", "-m", "x"), "has moved on"),
        (lambda repo: (repo / ".git" / "MERGE_HEAD").write_text("x"), "in the middle of a merge"),
        (lambda repo: (repo / "a").write_text("untracked"), "a is in the way"),
    ],
)
def test_a_checkout_that_is_not_ready_stays_as_it_is(
    autopack: Any, succeeded: str, spoil: Any, words: str
) -> None:
    repo = _repository(autopack, succeeded)
    spoil(repo)
    before = _state(repo)

    answer = autopack("merge", succeeded)

    assert (answer.code, words in answer.err) == (2, True), answer.err
    assert _state(repo) == before


def _state(repo: Path) -> tuple[str, str, dict[str, bytes]]:
    files = {one.name: one.read_bytes() for one in repo.iterdir() if one.is_file()}
    return git(repo, "rev-parse", "HEAD"), git(repo, "diff", "--cached"), files


def test_disk_is_given_back_and_everything_else_stays(
    autopack: Any, failed_run: str, settings: Settings
) -> None:
    folder = settings.home / "runs" / failed_run
    before = autopack("tokens", failed_run, "--json").json

    would = autopack("clean", "--older-than", "0h", "--dry-run", "--json").json
    assert (folder / "spool").is_dir()
    done = autopack("clean", "--older-than", "0h", "--json").json

    assert would["bytes"] == done["bytes"] > 0
    assert [one["run_id"] for one in done["runs"]] == [failed_run]
    assert not (folder / "spool").exists()
    assert autopack("tokens", failed_run, "--json").json == before
    assert autopack("diff", failed_run, "--json").json["files"]
    assert autopack("clean", "--older-than", "0h", "--json").json["bytes"] == 0


@pytest.mark.parametrize(
    "state", ["PHASE_EXECUTION", "AWAITING_APPROVAL", "DONE_FAILED_ENVIRONMENT"]
)
def test_a_run_that_can_go_on_keeps_everything(
    autopack: Any, failed_run: str, settings: Settings, state: str
) -> None:
    _change(settings, failed_run, state=state)

    assert autopack("clean", "--older-than", "0h", "--json").json["runs"] == []


def test_a_run_that_ended_lately_keeps_everything(autopack: Any, failed_run: str) -> None:
    assert autopack("clean", "--json").json["runs"] == []


def test_features_say_what_they_do_and_what_forces_them_off(
    autopack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPACK_ENABLE_FAILURE_HARDENING", "false")
    monkeypatch.setenv("AUTOPACK_ENABLE_INTENTION_CONTEXT", "true")

    rows = {one["feature"]: one for one in autopack("features", "--json").json["features"]}

    assert all(row["does"] for row in rows.values())
    assert [name for name, row in rows.items() if row["killed"]] == ["failure_hardening"]
    assert [name for name, row in rows.items() if row["by_default"]] == ["intention_context"]


@pytest.mark.parametrize(
    ("argv", "field"),
    [
        (["logs", "nope"], "run_id"),
        (["logs", "failed", "--phase", "x"], "phase"),
        (["logs", "failed", "--limit", "0"], "limit"),
        (["logs", "failed", "--follow"], "follow"),  # with --json
        (["diff", "nope"], "run_id"),
        (["diff", "failed", "--phase", "x"], "phase"),
        (["diff", "failed", "--attempt", "1"], "attempt"),
        (["diff", "failed", "--phase", "two", "--attempt", "9"], "attempt"),
        (["merge", "nope"], "run_id"),
        (["merge", "failed"], "run_id"),  # it failed
        (["clean", "--older-than", "soon"], "--older-than"),
    ],
)
def test_bad_input_names_the_field_and_changes_nothing(
    autopack: Any, failed_run: str, project: Project, argv: list[str], field: str
) -> None:
    before = git(project.repository, "rev-parse", "HEAD")

    answer = autopack(*argv, "--json")

    assert answer.code == 2
    assert answer.json["error"]["field"] == field
    assert git(project.repository, "rev-parse", "HEAD") == before
