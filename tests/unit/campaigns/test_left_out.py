"""Originals that cannot be replayed: left out with the reason, and in nobody's way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.campaigns import Ended, end, plan, stored
from support.projects import Project, git, make_project

from autopack.campaigns.campaign_report import to_html, to_markdown
from autopack.campaigns.compare import compare, unfinished
from autopack.campaigns.planning import PlannedCampaign
from autopack.campaigns.replayable import find_lost
from autopack.model.errors import Refused
from autopack.store import Database
from autopack.store.runs import get_run
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository

Lose = Callable[[Project], object]

# what of the run is lost, what else it was stored with, a word of the reason
LOST: list[tuple[str, Lose, dict[str, Any], str]] = [
    ("repository", lambda lost: shutil.rmtree(lost.repository), {}, "does not exist"),
    ("its .git", lambda lost: shutil.rmtree(lost.repository / ".git"), {}, "not a git repository"),
    ("recording", lambda lost: shutil.rmtree(lost.recording), {}, "is not a folder"),
    ("a phase's file", lambda lost: (lost.recording / "one.yaml").unlink(), {}, "phase one"),
    ("commit", lambda lost: None, {"base_commit": "b" * 40}, "no longer has the commit bbbb"),
    ("builder", lambda lost: None, {"builder": "gone"}, "no builder called 'gone'"),
    (
        "spec",
        lambda lost: None,
        {"builder": "simulated", "builder_options": {"spec": "/nowhere/spec.yaml"}},
        "/nowhere/spec.yaml cannot be read",
    ),
]


@pytest.fixture
def other(tmp_path: Path) -> Project:
    """Another project, of which something will be lost."""
    return make_project(tmp_path / "other", {"one": [[]]})


@pytest.fixture
def two(ended: Ended, other: Project) -> Project:
    """The project of `lost`, the second of two runs; the first is called `kept`."""
    ended("kept")
    ended("lost", **run_of(other))
    return other


def run_of(project: Project) -> dict[str, Any]:
    """What a run of the project is stored with."""
    return {
        "repo": str(project.repository),
        "base_commit": git(project.repository, "rev-parse", "HEAD").strip(),
        "builder_options": {"recording": str(project.recording)},
    }


def reasons(planned: PlannedCampaign) -> dict[str, str]:
    return {one.run_id: one.reason for one in planned.left_out}


@pytest.mark.parametrize(
    ("lose", "more", "word"), [row[1:] for row in LOST], ids=[row[0] for row in LOST]
)
def test_what_cannot_be_replayed_is_left_out_and_named(
    database: Database, ended: Ended, other: Project, lose: Lose, more: dict[str, Any], word: str
) -> None:
    ended("kept")
    ended("lost", **run_of(other) | more)
    lose(other)

    planned = plan(database)

    assert sorted(stored(database, planned)) == ["c-1-baseline", "c-1-candidate"]
    assert [run["run_id"] for run in planned.as_json()["runs"]] == ["kept"]
    [lost] = planned.as_json()["left_out"]
    assert lost["run_id"] == "lost"
    assert word in lost["reason"]
    assert planned.most_tokens == 2 * 1_000


def test_a_campaign_of_which_nothing_can_be_replayed_is_refused(
    database: Database, ended: Ended, project: Project
) -> None:
    ended("original")
    shutil.rmtree(project.repository)
    with pytest.raises(Refused, match="can be replayed; original: "):
        plan(database)


def test_the_report_comes_without_them_and_names_them(database: Database, two: Project) -> None:
    shutil.rmtree(two.repository)
    planned = plan(database)
    end(database, *stored(database, planned))

    assert unfinished(database, planned.campaign, without=planned.without) == []
    report = compare(database, planned.campaign, left_out=planned.left_out)

    assert [item.replay_of for item in report.items] == ["kept"]
    assert report.lanes["original"].runs == 1
    assert {one.run_id: one.reason for one in report.left_out} == reasons(planned)
    assert "1 run could not be replayed" in report.notes[0]
    for text in (to_markdown(report), to_html(report)):
        assert "does not exist" in text


def test_what_is_lost_while_a_campaign_goes_on_does_not_block_it(
    database: Database, two: Project
) -> None:
    replays = stored(database, plan(database))
    end(database, *(run_id for run_id in replays if run_id != "c-2-candidate"))
    shutil.rmtree(two.repository)

    planned = plan(database)

    assert set(reasons(planned)) == {"lost"}
    assert unfinished(database, planned.campaign, without=planned.without) == []


def test_what_has_been_replayed_stays_in_the_report(database: Database, two: Project) -> None:
    end(database, *stored(database, plan(database)))
    shutil.rmtree(two.repository)
    assert reasons(plan(database)) == {}


def test_what_comes_back_is_replayed_after_all(database: Database, two: Project) -> None:
    away = two.repository.rename(two.repository.with_name("away"))
    first = stored(database, plan(database))
    away.rename(two.repository)

    again = plan(database)

    assert reasons(again) == {}
    assert sorted(first) == ["c-1-baseline", "c-1-candidate"]
    assert sorted(stored(database, again)) == [*sorted(first), "c-2-baseline", "c-2-candidate"]


def test_a_commit_that_the_repository_lost_may_be_elsewhere(
    database: Database, two: Project, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    Mirror.open(home, SourceRepository.open(str(two.repository)))
    git(two.repository, "commit", "-q", "--amend", "-m", "other", "--allow-empty")
    git(two.repository, "reflog", "expire", "--expire=all", "--all")
    git(two.repository, "gc", "-q", "--prune=now")
    lost = [get_run(database, "lost")]

    elsewhere = tmp_path / "elsewhere"
    assert len(find_lost(database, lost, home=elsewhere, pushed=False)) == 1
    assert find_lost(database, lost, home=home, pushed=False) == ()
    assert find_lost(database, lost, home=elsewhere, pushed=True) == ()
