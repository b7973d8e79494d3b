"""What a research phase works with in this process: its sources, and where their bytes are kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from autopack.model.errors import BadInput
from autopack.plan.plan import PhaseSpec
from autopack.plan.researching import ResearchSpec
from autopack.research.gathering import Gathered
from autopack.research.kept_bytes import KeptBytes
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    Source,
    SourceFailure,
)
from autopack.research.sources.source_registry import SourceSettings, sources_for
from autopack.runs.prepare.behind_research import researcher_of
from autopack.runs.research.desk import Desk
from autopack.runs.session.session import RunSession

FOLDER = "research"
"""The folder of a run that has the bytes which its research read."""
MCP_FILE = ".mcp.json"
"""Where the repository says how its MCP servers are started; only those are that a plan names."""


def open_desk(session: RunSession, phase: PhaseSpec) -> Desk:
    """Return what the phase's steps share. A source that cannot be used has failed."""
    spec = phase.research
    if spec is None:
        raise AssertionError(f"{phase.id} is not a research phase")
    run, environment = session.run(), session.environment
    base = Path(run.repo) if Path(run.repo).is_dir() else None
    servers = None if base is None else base / MCP_FILE
    settings = SourceSettings(
        git=session.mirror.git,
        location=run.repo,
        commit=run.base_commit,
        database=session.db,
        environments=() if environment is None else (environment.venv or environment.root,),
        base=base,
        mcp_file=servers if servers is not None and servers.is_file() else None,
    )
    gathered = Gathered(
        _sources(spec, settings),
        keep=kept_bytes(session).keep,
        hides=lambda content: session.redactor.is_key_in(io.BytesIO(content)),
        now=session.clock.now,
        most_searches=max(spec.max_calls, len(spec.questions)),
    )
    return Desk(session, phase, spec, gathered, researcher_of(session.crew, phase))


def _sources(spec: ResearchSpec, settings: SourceSettings) -> Sequence[Source]:
    if not spec.sources:
        return sources_for((), settings)
    made: list[Source] = []
    for name in dict.fromkeys(spec.sources):
        try:
            made += sources_for([name], settings)
        except BadInput as error:
            made.append(_Absent(name, error.message))
    return made


class _Absent:
    """A source that is not here: each search of it says why."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self._why = name, why
        self.failures: Sequence[SourceFailure] = ()

    def search(self, query: Query) -> Sequence[Passage]:
        raise SourceFailure(self.name, FailureKind.NOT_FOUND, self._why)

    def read(self, locator: str) -> bytes:
        raise SourceFailure(self.name, FailureKind.NOT_FOUND, self._why)


def kept_bytes(session: RunSession) -> KeptBytes:
    """Return where the bytes are kept that the run's research read."""
    return KeptBytes(session.folder / FOLDER)
