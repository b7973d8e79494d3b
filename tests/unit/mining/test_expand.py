"""Expansion: what becomes a detector, what is refused, and that its test can fail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.stored_errors import BEGAN, contents, error, store

from autopack.mining.expand import Expanded, expand
from autopack.mining.generation.self_test import failing
from autopack.mining.generation.write import offer_branch, offer_folder, repository_of
from autopack.model.errors import BadInput
from autopack.repair.lifecycle.transitions import latest
from autopack.repair.patterns import Evidence
from autopack.repair.patterns.declarative import read
from autopack.store.database.engine import Database
from autopack.store.tables.mining import mined_errors, mined_signatures

NOW = BEGAN + timedelta(days=1)
LOCKED = "sqlite3.OperationalError: database is locked at {}"
ENGINE = "error: engine {} gave up while it was compiling the query"
HOSTILE = (
    'error: """ {{{{ x }}}} {{% y %}} \\N{{x}} \\ the template number {} is broken\n'
    + "x" * 1_000_000,
    "error: \x07\x00\x1b[31m the terminal number {} is broken \x1b[0m ''' $(rm -rf /)",
)


@pytest.fixture
def failures(database: Database) -> Database:
    """A database of two kinds of failures worth a detector, and four that are not."""
    rows = [error(n, LOCKED.format(n)) for n in range(6)]
    rows += [error(n, ENGINE.format(n)) for n in range(10, 14)]
    rows += [error(n, f"KeyError: '{n}'") for n in range(20, 25)]
    rows += [error(n, f"E   assert {n} == the one true value") for n in range(30, 35)]
    rows += [error(n, "ModuleNotFoundError: No module named 'yaml'") for n in range(40, 45)]
    rows += [error(50, "error: the moon is in the wrong phase for this build")]
    store(database, rows)
    return database


def made_of(db: Database, **options: Any) -> tuple[Expanded, dict[str, Mapping[str, str]]]:
    offered: dict[str, Mapping[str, str]] = {}

    def offer(name: str, files: Mapping[str, str]) -> None:
        offered[name] = files

    given: dict[str, Any] = {"top": 100, **options}
    return expand(db, {}, NOW, offer, **given), offered


@pytest.fixture
def detector(failures: Database) -> tuple[str, dict[str, str]]:
    """The name and the files of the detector of the locked database."""
    _, offered = made_of(failures)
    name = next(each for each in offered if "operationalerror" in each)
    return name, dict(offered[name])


def test_the_funnel_says_what_was_refused_and_why(failures: Database) -> None:
    found, offered = made_of(failures)
    assert (found.mined, found.chosen, found.generated, found.passed) == (6, 6, 2, 2)
    assert {each.pattern_id for each in found.kept} == set(offered)
    assert sorted(each.reason for each in found.refused) == [
        "an assertion of the project's own tests: what it says differs with every task",
        "seen in 1 attempts, 3 are needed",
        "the pattern python_missing_dep recognises it already",
        "too vague: all that its texts share is 'KeyError: <*>'",
    ]


def test_a_detector_matches_its_failure_and_no_other(detector: tuple[str, dict[str, str]]) -> None:
    name, files = detector
    pattern = read(files[f"patterns/{name}.yaml"])
    assert pattern.mitigation == "none"
    assert pattern.detect(Evidence("x\n" + LOCKED.format(99))) is not None
    assert pattern.detect(Evidence("sqlite3.OperationalError: no such table: x")) is None
    info = yaml.safe_load(files[f"regression/{name}/info.yaml"])
    assert info["positives"] == 6
    assert info["negatives"] >= 10
    assert "Proposed mitigation" in files[f"backlog/{name}.md"]


def test_the_generated_test_passes(detector: tuple[str, dict[str, str]]) -> None:
    name, files = detector
    assert failing({name: files}) == {}


MUTATIONS = {
    "emptied": lambda name, files: {f"patterns/{name}.yaml": ""},
    "broadened": lambda name, files: {
        f"patterns/{name}.yaml": files[f"patterns/{name}.yaml"]
        .replace("OperationalError: database is locked at", "")
        .replace("sqlite", "")
    },
    "matches other failures": lambda name, files: {
        f"regression/{name}/negatives/001.txt": LOCKED.format(1)
    },
    "matches nothing": lambda name, files: {
        f"patterns/{name}.yaml": files[f"patterns/{name}.yaml"].replace("locked", "blocked")
    },
    "a positive is missing": lambda name, files: {f"regression/{name}/positives/001.txt": None},
    "all negatives are missing": lambda name, files: dict.fromkeys(
        path for path in files if "/negatives/" in path
    ),
    "no info": lambda name, files: {f"regression/{name}/info.yaml": None},
}


def test_the_generated_test_fails_for_every_mutation(detector: tuple[str, dict[str, str]]) -> None:
    name, files = detector
    changed = {
        mutation: {
            path: text
            for path, text in {**files, **change(name, files)}.items()
            if text is not None
        }
        for mutation, change in MUTATIONS.items()
    }
    assert set(failing(changed)) == set(MUTATIONS)


def test_hostile_texts_give_valid_code_or_a_refusal(database: Database) -> None:
    store(
        database,
        [error(10 * k + n, text.format(n)) for k, text in enumerate(HOSTILE) for n in range(4)],
    )
    found, offered = made_of(database)
    assert len(found.kept) + len(found.refused) == 2
    assert all("its test" not in each.reason for each in found.refused)
    for name, files in offered.items():
        (test,) = (path for path in files if path.startswith("tests/"))
        compile(files[test], test, "exec")
        assert read(files[f"patterns/{name}.yaml"]).pattern_id == name


def test_expanding_again_changes_nothing_in_the_database(failures: Database) -> None:
    first, _ = made_of(failures)
    kept = contents(failures, (mined_errors, mined_signatures))
    assert made_of(failures)[0] == first
    assert contents(failures, (mined_errors, mined_signatures)) == kept


def test_a_folder_gets_all_of_a_detector_or_none(
    detector: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    name, files = detector
    out = tmp_path / "out"
    assert offer_folder(out, name, files) is None
    found = {
        str(path.relative_to(out / name)): path.read_bytes().decode()
        for path in out.rglob("*")
        if path.is_file()
    }
    assert found == files
    assert offer_folder(out, name, files) == f"{out / name} is there already"
    assert [path.name for path in out.iterdir()] == [name]
    (tmp_path / "file").touch()
    with pytest.raises(BadInput):
        offer_folder(tmp_path / "file", name, files)


def git(repo: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", repo, "-c", "user.name=a", "-c", "user.email=a@b", *words],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_a_repository_gets_a_branch_and_nothing_else(
    detector: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    name, files = detector
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a.txt").write_text("kept")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "a.txt").write_text("being edited")
    (tmp_path / "b.txt").write_text("new")
    git(tmp_path, "add", "b.txt")
    before = git(tmp_path, "status", "--porcelain"), (tmp_path / ".git/config").read_bytes()
    there = repository_of(tmp_path)
    assert offer_branch(there, name, files) is None
    assert "is there already" in (offer_branch(there, name, files) or "")
    after = git(tmp_path, "status", "--porcelain"), (tmp_path / ".git/config").read_bytes()
    assert after == before
    branch = f"autopack/pattern-{name}"
    assert git(tmp_path, "branch", "--format=%(refname:short)").split() == [branch, "main"]
    listed = git(tmp_path, "ls-tree", "-r", "--name-only", branch).split()
    assert listed == sorted(["a.txt", *(f".autopack/{path}" for path in files)])
    assert (
        git(tmp_path, "show", f"{branch}:.autopack/patterns/{name}.yaml")
        == (files[f"patterns/{name}.yaml"])
    )
    assert git(tmp_path, "rev-parse", f"{branch}^") == git(tmp_path, "rev-parse", "main")


_EXPANDING = """
import datetime, functools, pathlib, sys
from autopack.mining.expand import expand
from autopack.mining.generation.write import offer_folder
from autopack.store.database.engine import Database
db = Database.open(sys.argv[1])
offer = functools.partial(offer_folder, pathlib.Path(sys.argv[2]))
print("ready", flush=True)
expand(db, {}, datetime.datetime.now(datetime.UTC), offer, top=100)
"""


def test_a_kill_in_the_middle_of_expanding_leaves_whole_detectors(
    failures: Database, database_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-c", _EXPANDING, database_url, str(out)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.kill()
    process.communicate()
    assert all(_is_whole(folder) for folder in _offered(out))
    subprocess.run(words, check=True, capture_output=True)
    assert [_is_whole(folder) for folder in _offered(out)] == [True, True]
    candidates = {name for (name, _, _), one in latest(failures).items() if one.ordinal == 1}
    assert candidates == {folder.name for folder in _offered(out)}


def _offered(out: Path) -> list[Path]:
    return sorted(each for each in out.glob("*") if not each.name.startswith("."))


def _is_whole(folder: Path) -> bool:
    regression = folder / "regression" / folder.name
    info = yaml.safe_load((regression / "info.yaml").read_text())
    texts = {
        kind: len(list((regression / kind).glob("*.txt"))) for kind in ("positives", "negatives")
    }
    return texts == {kind: info[kind] for kind in texts} and any((folder / "tests").iterdir())
