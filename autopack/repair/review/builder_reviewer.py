"""Any builder as a reviewer: it reads a checkout that is thrown away, and answers in words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autopack.agents.bounds import sizes
from autopack.agents.model_providers import split_model
from autopack.agents.protocol import (
    Builder,
    BuildLimits,
    BuildRequest,
    BuildResult,
    BuildStatus,
)
from autopack.files import safe_files
from autopack.model.calls import Exactness, ModelCall
from autopack.model.errors import GitFailed
from autopack.model.ids import AttemptKey
from autopack.process.supervisor import Supervisor
from autopack.repair.review.reviewer import Question, Reply, ReviewFailed
from autopack.workspace.mirror import Mirror
from autopack.workspace.workspace import Workspace

_SECONDS = 900.0
_OWN_LIMIT = 0.95
"""The share of its time after which it is ended by itself, which tells what it spent."""
_LOOK_SECONDS = 0.25
_ANSWER_TOKENS = 10_000
_NAMED = 5


@dataclass(frozen=True)
class Bench:
    """Where a builder reviews ``commit``, and what it may use.

    ``checkouts`` is the folder for its checkout; ``environment`` that of the programs it starts.
    """

    key: AttemptKey
    mirror: Mirror
    commit: str
    checkouts: Path
    supervisor: Supervisor
    environment: Mapping[str, str]
    tokens: int
    seconds: float


class BuilderReviewer:
    """Asks a builder a question in a checkout of its own. What it writes there goes nowhere."""

    def __init__(self, builder: Builder, model: str | None, bench: Bench) -> None:
        self._builder, self._wanted, self._bench = builder, model, bench
        self.name = builder.name
        self.model = model or builder.model
        self.simulated = builder.simulated
        self.seconds = min(_SECONDS, bench.seconds)

    def most(self, question: Question) -> ModelCall:
        """Return all that it may use: it is ended when it has."""
        del question
        provider, model = split_model(self.model)
        output = min(_ANSWER_TOKENS, self._bench.tokens)
        return ModelCall(
            provider=self._builder.provider(self.model) or provider,
            model=model,
            input=self._bench.tokens - output,
            cache_read=0,
            cache_write=0,
            output=output,
            total=self._bench.tokens,
        )

    async def ask(self, question: Question) -> Reply:
        """Return the builder's last message, with a note where it wrote to its checkout."""
        bench = self._bench
        spool = safe_files.make_folder(question.spool, below=question.spool.parent)
        safe_files.make_folder(bench.checkouts, below=bench.checkouts.parent)
        workspace = Workspace.create(bench.mirror, bench.checkouts / spool.name, bench.commit)
        try:
            result = await self._build(self._request(question, workspace), spool)
            notes = _written(workspace, bench.commit)
        finally:
            await asyncio.to_thread(workspace.remove)
        return self._reply(spool, result, notes)

    def left_behind(self, spool: Path) -> Reply | None:
        """Return the answer of a program that ended without the process that had started it."""
        if not safe_files.is_folder(spool):
            return None
        alone = self._builder.left_behind(spool)
        if alone is None:
            return None
        with suppress(ReviewFailed):
            return self._reply(spool, alone[0], ())
        return None

    def spent(self, spool: Path) -> Sequence[ModelCall]:
        """Return the calls that its spool tells of, also after a kill."""
        return self._builder.calls(spool) if safe_files.is_folder(spool) else ()

    def _request(self, question: Question, workspace: Workspace) -> BuildRequest:
        bench = self._bench
        return BuildRequest(
            run_id=bench.key.run_id,
            phase_id=bench.key.phase_id,
            attempt=bench.key.attempt,
            build=question.round,
            goal="review a change",
            instructions=question.text,
            question=question.text,
            worktree=workspace.path,
            spool=question.spool,
            model=self._wanted,
            limits=BuildLimits(tokens=bench.tokens, seconds=self.seconds * _OWN_LIMIT),
            refuse_call=self._refused,
            environment={**bench.environment, **workspace.environment},
        )

    def _refused(self, calls: Sequence[ModelCall]) -> str | None:
        used = sum(call.total for call in calls)
        if used <= self._bench.tokens:
            return None
        return f"it used {used:,} tokens of {self._bench.tokens:,}"

    async def _build(self, request: BuildRequest, spool: Path) -> BuildResult:
        """Let it work, and end it when it has used all that it may."""
        work = asyncio.ensure_future(self._builder.build(request, self._bench.supervisor))
        seen: tuple[tuple[int, int], ...] = ()
        try:
            while True:
                done, _ = await asyncio.wait({work}, timeout=_LOOK_SECONDS)
                if done:
                    return work.result()
                written = sizes(self._builder.tells_in(spool))
                if written == seen:
                    continue
                seen = written
                calls = await asyncio.to_thread(self._builder.calls, spool)
                if (reason := self._refused(calls)) is not None:
                    raise ReviewFailed(f"ended: {reason}", calls)
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    def _reply(self, spool: Path, result: BuildResult, notes: Sequence[str]) -> Reply:
        spend = self._builder.spend(spool)
        whole = spend.exactness is not Exactness.UNKNOWN
        if result.status is not BuildStatus.ENDED:
            raise ReviewFailed(result.summary, spend.calls, is_whole=whole)
        return Reply(result.said or result.summary, spend.calls, notes, whole)


def _written(workspace: Workspace, commit: str) -> tuple[str, ...]:
    """Return a note of what was written to a checkout, if anything was."""
    try:
        made = workspace.snapshot(parent=commit, message="what a reviewer wrote", ref=None)
    except (GitFailed, OSError) as error:
        return (f"its checkout could not be looked at: {error}",)
    paths = [change.path for change in made.changes]
    if not paths:
        return ()
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return (f"it wrote to its checkout, which was discarded: {', '.join(paths[:_NAMED])}{more}",)
