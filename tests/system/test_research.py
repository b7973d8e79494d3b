"""Research as people use it: killed and resumed, and on real projects, checked on another clone."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from support.packages import download_source, unpack
from support.processes import Machine
from support.projects import git
from support.research import (
    CLARIFIED,
    NOTHING_MORE,
    QUESTION,
    make_words,
    model_script,
    rule,
    written,
)

from autopack.ledger.events.usage_events import token_totals
from autopack.runs.research.stored_reports import stored_report
from autopack.store.database.engine import Database
from autopack.testing.model_server.server import ScriptedModelServer

pytestmark = pytest.mark.slow

KILLED = -9


def test_a_killed_research_pays_for_nothing_twice(machine: Machine, tmp_path: Path) -> None:
    repository = make_words(tmp_path / "words")
    script = model_script(CLARIFIED, {"queries": ["hundred"]}, NOTHING_MORE, written(rule()))
    with ScriptedModelServer(script) as server:
        asked = [QUESTION, "--repo", str(repository), "--run-id", "r", "--source", "repository"]
        asked += ["--source", "history", "--builder", "api", "--model", "claude-haiku-4-5"]
        asked += ["--set", f"base_url={server.url}", "--set", "provider=anthropic"]
        killed = machine.run(
            "research", "run", *asked, AUTOPACK_FAILPOINT="kill after research-paid 2"
        )
        assert killed.code == KILLED, killed.stderr
        assert server.totals().calls == 2
        resumed = machine.run("resume", "r", "--json")
        assert resumed.code == 0, resumed.stderr
        counted = server.totals()
    assert counted.calls == 4
    with closing(Database.open(machine.database_url)) as db:
        report, told = stored_report(db, "r"), token_totals(db, "r")
    assert report["findings"][0]["answered"], report
    assert report["spent"]["calls"] == counted.calls
    assert report["spent"]["total"] == counted.total
    assert (told.total, told.unreconciled_calls) == (counted.total, 0)


REAL = {
    "inflection": (
        "0.5.1",
        {
            "How is a word made plural, and what is done with uncountable words?": "repository",
            "When was the ordinalize function added or fixed?": "history",
            "Which Python versions does inflection require?": "installed",
        },
    ),
    "humanize": (
        "4.17.0",
        {
            "How does naturalsize format a number of bytes?": "repository",
            "What was imported as the whole of humanize?": "history",
            "What is humanize for, as its metadata says?": "installed",
        },
    ),
}


@pytest.mark.parametrize("name", ["inflection", pytest.param("humanize", marks=pytest.mark.full)])
def test_a_real_project_is_asked_and_its_answers_hold_elsewhere(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    version, questions = REAL[name]
    try:
        archive = download_source(name, version)
    except AssertionError as error:
        pytest.skip(str(error)[:200])
    repository = unpack(archive, tmp_path / "project")
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", f"Import the whole of {name} {version}, ordinalize and all")
    report = tmp_path / "report.json"
    arguments = ["--repo", str(repository), "--out", str(report), "--json"]
    answer = machine.run("research", "run", *questions, *arguments)
    assert answer.code == 0, answer.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    assert [one["answered"] for one in found["findings"]] == [True] * len(questions), found
    cited = {number: set[str]() for number in range(1, len(questions) + 1)}
    for finding in found["findings"]:
        for sentence in finding["sentences"]:
            source = found["evidence"][sentence["citation"] - 1]["source_id"]
            cited[finding["question"]].add(source)
    for number, source in enumerate(questions.values(), start=1):
        assert source in cited[number], (number, cited, found["sources"])

    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    verified = machine.run("research", "verify", str(report), "--repo", str(clone))
    assert verified.code == 0, verified.stdout + verified.stderr

    # A cited line changes: the check says which citation no longer holds.
    quoted = next(one for one in found["evidence"] if ".py@" in (one["locator"] or ""))
    changed = quoted["locator"].split(":", 2)[2].rpartition("@")[0]
    first = quoted["quote"].splitlines()[0]
    text = (clone / changed).read_text(encoding="utf-8")
    (clone / changed).write_text(text.replace(first, f"{first}  # changed"), encoding="utf-8")
    git(clone, "commit", "-qam", "change")
    verified = machine.run("research", "verify", str(report), "--repo", str(clone))
    assert verified.code == 1
    assert changed in verified.stdout
