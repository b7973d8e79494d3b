"""A provider's trouble: waited for within the run's minutes, and no attempt is used up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.attempts import built_by
from support.projects import make_project
from support.runs import carry_out, conclude

from autopack.agents.protocol import (
    BuildRequest,
    BuildResult,
    BuildStatus,
    EndedBy,
    Spend,
)
from autopack.clock import ManualClock
from autopack.model.calls import (
    ModelCall,
)
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState, RunState
from autopack.plan.plan import Plan
from autopack.process.supervisor import Supervisor
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.runs.session.session import RunSession
from autopack.store.circuits import list_circuits
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts, get_decisions, get_ending, get_phases
from autopack.views.run_view import run_view

MINUTES = 60.0


def down(status: int | None = 503, **more: Any) -> BuildResult:
    said = f"provider error {status}: down"
    return BuildResult(
        BuildStatus.FAILED, 1, said, ended_by=EndedBy.PROVIDER, http_status=status, **more
    )


@dataclass
class Agent:
    """Builds once its provider is up again; a build takes ten seconds of the clock."""

    clock: ManualClock
    up_at: float
    answer: Callable[[], BuildResult] = down
    leaves: str | None = None
    asked_at: list[float] = field(default_factory=list)
    hints: list[str | None] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)
    name: str = "agent"
    shows_spend: bool = True
    tells_usage: bool = True
    simulated: bool = False
    model: str | None = None
    endpoint: str | None = None

    def provider(self, model: str | None) -> str:
        return "simulated"

    def check(self, plan: Plan) -> None: ...

    def calls(self, spool: Path) -> Sequence[ModelCall]:
        return ()

    def tells_in(self, spool: Path) -> Sequence[Path]:
        return ()

    def spend(self, spool: Path) -> Spend:
        return Spend()

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        self.asked_at.append(self.clock.monotonic())
        self.hints.append(request.hint)
        self.seen.append((request.worktree / "half.txt").exists())
        self.clock.advance(10)
        if self.clock.monotonic() <= self.up_at:
            if self.leaves:
                (request.worktree / self.leaves).write_text("half\n")
            return self.answer()
        (request.worktree / "new.txt").write_text("new\n")
        return BuildResult(BuildStatus.ENDED, 0, "done")


@pytest.fixture
def clock(database: Database) -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_agent(
    tmp_path: Path, store: Any, open_run: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[RunSession, Agent]]:
    """Opens a run of one phase whose agent's provider is down until ``up_at``."""

    def opening(up_at: float, validate: str = "test -f new.txt", **more: Any) -> Any:
        plan: dict[str, Any] = {"phase": {"validate": [validate]}, **more.pop("project", {})}
        project = make_project(tmp_path / "project", {"one": [[{"output": "x"}]]}, **plan)
        session: RunSession = open_run(store(project))
        agent = Agent(clock, up_at, **more)
        built_by(session, agent)
        session.clock = clock  # pyright: ignore[reportAttributeAccessIssue]
        session.keeper._clock = clock  # pyright: ignore[reportPrivateUsage]
        session.keeper._counted_at = clock.monotonic()  # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr("autopack.store.circuits.now", lambda conn: clock.now(), raising=True)
        return session, agent

    return opening


async def execute(session: RunSession, clock: ManualClock) -> None:
    """Carry the run out; its waits pass on the clock."""

    async def wait(decision: Decision) -> None:
        assert decision.idle
        with session.keeper.idle():
            clock.advance(decision.seconds)

    await carry_out(session, wait)


def outcome(session: RunSession) -> tuple[PhaseState, int]:
    phase = run_view(session.db, "r")["phases"][0]
    return PhaseState(phase["state"]), phase["attempts"]


@pytest.mark.parametrize(
    "answer",
    [
        down,
        lambda: down(429, retry_after=7.0),
        lambda: down(529),
        lambda: down(None, evidence="connect ECONNREFUSED"),
        lambda: BuildResult(BuildStatus.FAILED, 1, "?", evidence="Connection error."),
        lambda: BuildResult(BuildStatus.TIMED_OUT, None, "ran out", ended_by=EndedBy.AUTOPACK),
    ],
)
async def test_three_minutes_of_outage_cost_no_attempt(
    open_agent: Any, clock: ManualClock, answer: Callable[[], BuildResult]
) -> None:
    session, agent = open_agent(3 * MINUTES, answer=answer)
    await execute(session, clock)
    assert outcome(session) == (PhaseState.COMPLETE, 1)
    assert len(agent.asked_at) > 2
    # neither the pauses nor the builds that the provider ended are working time
    worked = session.run().elapsed_seconds + session.keeper.uncounted_seconds()
    assert worked == pytest.approx(10)
    assert session.outage.since is None


async def test_pauses_grow_and_the_circuit_opens(open_agent: Any, clock: ManualClock) -> None:
    session, agent = open_agent(15 * MINUTES)
    await execute(session, clock)
    pauses = [b - a - 10 for a, b in zip(agent.asked_at, agent.asked_at[1:], strict=False)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert max(pauses) <= 60 + 120 * 1.2
    (circuit,) = list_circuits(session.db)
    assert circuit.transitions > 0


async def test_a_longer_retry_after_is_kept(open_agent: Any, clock: ManualClock) -> None:
    session, agent = open_agent(11, answer=lambda: down(429, retry_after=300.0))
    await execute(session, clock)
    assert agent.asked_at[1] - agent.asked_at[0] == pytest.approx(310)


async def test_patience_ends_with_the_runs_minutes(open_agent: Any, clock: ManualClock) -> None:
    session, agent = open_agent(1e9)
    await execute(session, clock)
    ending = get_ending(session.db, "r")
    assert ending is not None
    assert ending[0] is RunState.DONE_FAILED_ENVIRONMENT
    assert "autopack resume" in ending[1]
    assert 120 * MINUTES <= clock.monotonic() < 130 * MINUTES
    assert len(agent.asked_at) < 100


# what the provider refuses, words of the reason
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: down(401), "check the key"),
        (lambda: down(400), "HTTP 400"),
        (lambda: down(404), "name of the model"),
        (
            lambda: BuildResult(BuildStatus.FAILED, 1, "?", evidence="unknown model: x"),
            "check the key, the model",
        ),
    ],
)
async def test_a_refusal_stops_at_once(
    open_agent: Any, clock: ManualClock, answer: Callable[[], BuildResult], words: str
) -> None:
    session, agent = open_agent(1e9, answer=answer)
    await execute(session, clock)
    ending = get_ending(session.db, "r")
    assert ending is not None
    assert ending[0] is RunState.DONE_FAILED_ENVIRONMENT
    assert "the provider refused" in ending[1]
    assert words in ending[1]
    assert len(agent.asked_at) == 1
    assert outcome(session)[1] == 0


async def test_what_a_cut_off_build_left_is_kept(open_agent: Any, clock: ManualClock) -> None:
    session, agent = open_agent(15, leaves="half.txt")
    await execute(session, clock)
    assert outcome(session) == (PhaseState.COMPLETE, 1)
    assert agent.seen == [False, True]
    assert "The provider cut off the last build" in (agent.hints[1] or "")


async def test_finished_work_passes_though_the_provider_failed_after_it(
    open_agent: Any, clock: ManualClock
) -> None:
    session, _ = open_agent(15, leaves="new.txt")
    await execute(session, clock)
    assert outcome(session) == (PhaseState.COMPLETE, 1)
    assert len(get_attempts(session.db, "r")) == 1


async def test_an_outage_after_a_failed_attempt_judges_nothing_again(
    open_agent: Any, clock: ManualClock
) -> None:
    session, agent = open_agent(0, validate="test -f never.txt")
    started = steps.begin(session, "one")
    assert not isinstance(started, Decision)
    session.environment = session.environment or await _tools(session)
    await steps.build(session, started.key)
    failure = await steps.validate(session, started.key)
    conclude(session, "one", started.attempt, failure)
    agent.up_at = clock.monotonic() + 15
    second = steps.begin(session, "one")
    assert not isinstance(second, Decision)
    await steps.build(session, AttemptKey("r", "one", second.attempt))
    failure = await steps.validate(session, AttemptKey("r", "one", second.attempt))
    assert failure is not None
    assert failure.cause == "provider_error"
    decision = conclude(session, "one", second.attempt, failure)
    assert decision.kind is DecisionKind.RETRY
    clock.advance(60)
    third = steps.begin(session, "one")
    assert not isinstance(third, Decision)
    # the hint is still that of the attempt that was judged, and so is the tree
    assert "Attempt 1 failed" in (third.hint or "")
    assert session.mirror.changed_paths(session.head(), third.base_commit)
    assert outcome(session)[1] == 1


async def _tools(session: RunSession) -> Any:
    from autopack.runs.environment.run_environment import prepare_environment

    return await prepare_environment(session)


async def test_attempts_that_count_are_used_up_as_before(
    open_agent: Any, clock: ManualClock
) -> None:
    session, _ = open_agent(3 * MINUTES, validate="test -f never.txt")
    await execute(session, clock)
    assert outcome(session) == (PhaseState.FAILED, 5)
    kinds = [decision.kind for decision in get_decisions(session.db, "r")]
    assert kinds[-1] == "stop"
    assert get_phases(session.db, "r")[0].failure_cause == "validation_failed"
