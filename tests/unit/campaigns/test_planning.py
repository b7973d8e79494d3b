"""Which runs a campaign replays, how each is stored once, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.campaigns import NOON, Ended, plan, stored
from support.projects import Project, git, make_remote, make_repository

from autopack.campaigns.lanes import Lane, replays_of
from autopack.ledger.budget.budget_tree import campaign_level
from autopack.model.errors import AutopackError
from autopack.model.states import RunState
from autopack.store import Database
from autopack.store.experiment_records import NewExperiment, PairRow
from autopack.store.experiment_records import register as register_test
from autopack.store.tables import runs


def chosen(database: Database, **more: Any) -> list[str]:
    return [run.run_id for run in plan(database, **more).originals]


def test_failed_means_any_failed_state(database: Database, ended: Ended) -> None:
    ended("budget", RunState.DONE_FAILED_BUDGET_EXHAUSTED)
    ended("cancelled", RunState.DONE_CANCELLED)
    ended("environment", RunState.DONE_FAILED_ENVIRONMENT)
    ended("good", RunState.DONE_SUCCESS)
    ended("working", RunState.PHASE_EXECUTION)

    assert chosen(database) == ["budget", "environment"]
    assert chosen(database, state="DONE_CANCELLED") == ["cancelled"]
    assert chosen(database, state="DONE_SUCCESS") == ["good"]


def test_both_ends_of_a_time_are_included_as_days_in_utc(database: Database, ended: Ended) -> None:
    day = timedelta(days=1)
    midnight = NOON.replace(hour=0)
    ended("before", at=midnight - timedelta(seconds=1))
    ended("first", at=midnight)
    ended("last", at=midnight + 2 * day - timedelta(seconds=1))
    ended("after", at=midnight + 2 * day)

    assert chosen(database, since="2026-03-10", until="2026-03-11") == ["first", "last"]
    assert chosen(database, since="2026-03-12") == ["after"]
    assert chosen(database, until="2026-03-09") == ["before"]
    assert chosen(database, since="12h") == ["first", "last", "after"]


def test_named_runs_are_taken_in_their_order_whatever_their_state(
    database: Database, ended: Ended
) -> None:
    ended("b", RunState.DONE_SUCCESS)
    ended("a")
    assert chosen(database, run_ids=("b", "a", "b")) == ["b", "a"]


def test_replays_are_chosen_only_by_their_campaign(database: Database, ended: Ended) -> None:
    ended("original")
    stored(database, plan(database, "first"))
    database.transact(
        lambda conn: conn.execute(
            sa.update(runs).values(
                state=RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, finished_at=NOON
            )
        )
    )
    assert chosen(database, name="second") == ["original"]
    again = chosen(database, name="third", campaign="first", enable=("intention_context",))
    assert sorted(again) == ["first-1-baseline", "first-1-candidate"]


def test_every_lane_is_stored_once_however_often_it_is_asked_for(
    database: Database, ended: Ended, project: Project
) -> None:
    head = git(project.repository, "rev-parse", "HEAD").strip()
    for number in range(5):
        ended(f"run-{number}", at=NOON + timedelta(minutes=number))
    first = stored(database, plan(database))
    ended("later", at=NOON + timedelta(hours=1))
    second = stored(database, plan(database))

    assert first == second, "one that goes on keeps its runs, and their order"
    assert len(set(first)) == 10
    replays = replays_of(database, "c")
    assert set(replays) == {
        (f"run-{number}", lane) for number in range(5) for lane in (Lane.BASELINE, Lane.CANDIDATE)
    }
    for (original, lane), run in replays.items():
        assert run.replay_of == original
        assert run.campaign_id == "c"
        assert (run.plan_hash, run.base_commit, run.model) == ("a" * 64, head, "m")
        expected = ["phase6_metrics"]
        if lane is Lane.CANDIDATE:
            expected = ["failure_hardening", *expected]
        assert list(run.features) == expected
    assert campaign_level(database, "c").limits.tokens == 10 * 1_000


def test_a_kill_switch_of_today_holds_for_replays(
    database: Database, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended("original")
    monkeypatch.setenv("AUTOPACK_ENABLE_PHASE6_METRICS", "false")
    monkeypatch.setenv("AUTOPACK_ENABLE_INTENTION_CONTEXT", "true")
    planned = plan(database)
    [original] = planned.originals
    assert planned.campaign.features(original, Lane.CANDIDATE) == ("failure_hardening",)


def test_a_feature_that_is_forced_off_here_cannot_be_tried(
    database: Database, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended("original")
    monkeypatch.setenv("AUTOPACK_ENABLE_FAILURE_HARDENING", "false")
    with pytest.raises(AutopackError, match="forced off by AUTOPACK_ENABLE_FAILURE_HARDENING"):
        plan(database)


def test_runs_that_had_the_feature_already_are_left_out(database: Database, ended: Ended) -> None:
    ended("had-it", features=("failure_hardening",))
    ended("had-not")
    planned = plan(database)
    assert [run.run_id for run in planned.originals] == ["had-not"]
    [left_out] = planned.left_out
    assert left_out.run_id == "had-it"
    assert left_out.reason.startswith("it already had failure_hardening on")
    assert len(stored(database, planned)) == 2
    assert {run for run, _ in replays_of(database, "c")} == {"had-not"}
    # to run them again as they were, nothing has to differ
    again = plan(database, name="again", enable=(), baseline=False)
    assert {run.run_id for run in again.originals} == {"had-it", "had-not"}


def test_arms_of_experiments_are_replayed_only_when_asked_for(
    database: Database, ended: Ended
) -> None:
    for name in ("plain", "t-0001-control", "t-0001-treatment"):
        ended(name)
    new = NewExperiment(
        test_id="t",
        spec_hash="s",
        protocol_hash="p",
        repo="r",
        commit_sha="c",
        body={},
        operator="o",
    )
    pair = PairRow(
        test_id="t",
        number=1,
        plan_name="a",
        plan_hash="h",
        replicate=1,
        first="control",
        control_run_id="t-0001-control",
        treatment_run_id="t-0001-treatment",
    )
    register_test(database, new, [pair])
    assert chosen(database) == ["plain"]
    assert chosen(database, campaign="t") == ["t-0001-control", "t-0001-treatment"]
    assert chosen(database, run_ids=("t-0001-control",)) == ["t-0001-control"]


# what is asked for, the field at fault
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"state": "QUEUED"}, "state"),
    ({"state": "PHASE_EXECUTION"}, "state"),
    ({"since": "yesterday"}, "since"),
    ({"since": "2026-03-11", "until": "2026-03-10"}, "since"),
    ({"since": "2027-01-01"}, "state"),
    ({"run_ids": ("nobody",)}, "run_id"),
    ({"run_ids": ("working",)}, "run_id"),
    ({"enable": ("magic",)}, "--enable"),
    # nothing would differ
    ({"enable": ()}, "enable"),
    ({"enable": ("phase6_metrics",)}, "enable"),
    ({"token_cap": 0}, "token_cap"),
    ({"name": "../up"}, "campaign"),
    ({"name": "x" * 60}, "campaign"),
]


@pytest.mark.parametrize(("asked", "field"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_what_cannot_be_is_refused_before_anything_is_stored(
    database: Database, ended: Ended, asked: dict[str, Any], field: str
) -> None:
    ended("original")
    ended("working", RunState.PHASE_EXECUTION)
    with pytest.raises(AutopackError) as refused:
        plan(database, **asked)
    assert refused.value.field == field
    assert replays_of(database, "c") == {}


def test_another_campaign_of_the_same_name_is_refused(database: Database, ended: Ended) -> None:
    ended("original")
    stored(database, plan(database))
    with pytest.raises(AutopackError) as refused:
        stored(database, plan(database, enable=("intention_context",)))
    assert refused.value.field == "campaign"


def test_without_a_baseline_the_same_features_are_no_mistake(
    database: Database, ended: Ended
) -> None:
    ended("original")
    assert stored(database, plan(database, enable=(), baseline=False)) == ["c-1-candidate"]


@pytest.fixture
def pushed(ended: Ended, tmp_path: Path) -> Path:
    """A run that was pushed from a repository to its remote ``central``, which is returned."""
    repository = make_repository(tmp_path / "repository", {"README.md": "hello\n"})
    bare = make_remote(repository)
    base = git(repository, "rev-parse", "HEAD").strip()
    ended("original", repo=str(repository), base_commit=base, push="central")
    return bare


def remotes(database: Database, campaign: str = "c") -> set[str | None]:
    return {run.push for run in replays_of(database, campaign).values()}


def test_replays_are_pushed_where_it_is_asked_for_and_nowhere_else(
    database: Database, pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pushed.parent)
    stored(database, plan(database))
    stored(database, plan(database, "by-name", push="central", home=tmp_path / "home"))
    stored(database, plan(database, "by-path", push=pushed.name, home=tmp_path / "home"))
    assert remotes(database) == {None}
    assert remotes(database, "by-name") == {"central"}
    assert remotes(database, "by-path") == {str(pushed)}


def test_a_campaign_that_goes_on_keeps_its_remote(
    database: Database, pushed: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    stored(database, plan(database, push="central", home=home))
    away = pushed.rename(pushed.with_name("away.git"))
    for same in (None, "central"):
        assert set(plan(database, push=same, home=home).remotes.values()) == {"central"}
    away.rename(pushed)
    stored(database, plan(database, "quiet"))
    for name, push in (("c", str(pushed)), ("quiet", "central")):
        with pytest.raises(AutopackError) as refused:
            plan(database, name, push=push, home=home)
        assert refused.value.field == "push"


@pytest.mark.parametrize("push", ["nowhere", "-x", "central"])
def test_a_remote_that_takes_nothing_is_refused(
    database: Database, pushed: Path, tmp_path: Path, push: str
) -> None:
    pushed.rename(tmp_path / "away.git")
    with pytest.raises(AutopackError) as refused:
        plan(database, push=push, home=tmp_path / "home")
    assert refused.value.field == "push"


def test_a_name_stands_for_the_remote_of_each_repository(
    database: Database, ended: Ended, pushed: Path, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other", {"README.md": "other\n"})
    base = git(other, "rev-parse", "HEAD").strip()
    ended("other", repo=str(other), base_commit=base)
    with pytest.raises(AutopackError) as refused:
        plan(database, push="central", home=tmp_path / "home")
    assert str(other) in refused.value.message
    make_remote(other, "central")
    found = plan(database, push="central", home=tmp_path / "home").remotes
    assert found == {str(other): "central", str(pushed.with_name("repository")): "central"}
