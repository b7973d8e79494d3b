"""The Builder protocol: what a coding agent is asked, what it answers, and what it spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from autopack.model.calls import Exactness, ModelCall
from autopack.model.errors import WorkFailed
from autopack.model.situation import Situation

if TYPE_CHECKING:
    from autopack.agents.options import AgentOptions
    from autopack.agents.usage_reading import UsageParser
    from autopack.model.commands import (
        Command,
    )
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Supervisor


class UnreadableSpool(WorkFailed):
    """A spool holds lines that nobody wrote: ``calls`` are those that could be read."""

    def __init__(self, message: str, calls: Sequence[ModelCall], unread: Sequence[str]) -> None:
        super().__init__(message)
        self.calls = tuple(calls)
        self.unread = tuple(unread)


def without_limit(calls: Sequence[ModelCall]) -> str | None:
    """Lets a build make any number of calls."""
    del calls


@dataclass(frozen=True)
class BuildLimits:
    """What one build may use; None means no limit of that kind.

    ``cost`` is all that is left in US dollars, for programs with such a limit of their own.
    """

    tokens: int | None = None
    seconds: float | None = None
    cost: Decimal | None = None


@dataclass(frozen=True)
class BuildRequest:
    """One build of one attempt.

    ``build`` counts the builds of this phase that ended, this one included: an interrupted
    build is asked for again under the same number. ``spool`` is this attempt's own folder;
    what the builder prints and the usage it reports are found there after any death. Only Autopack
    writes there, but for the folders ``home`` and ``scratch`` in it.
    ``environment`` is the complete environment for child processes. ``refuse_call`` is asked, with
    all calls so far, before every further call by builders that make calls themselves; what it
    returns is why they must make none. ``guidance`` is what the run tells every build.
    ``protects_tests``: tests and their settings may change only where the phase names them.
    ``files`` is a map of the repository's files that seem to matter.
    ``situation`` is what it is told of the run around it. ``earlier`` is the attempt whose
    conversation an agent may continue: its spool lies beside this one, under its number.
    ``resumes`` is the id of the conversation that is continued. ``question`` is asked in place of
    the task: it is answered in the last message, and nothing is to be changed.
    """

    run_id: str
    phase_id: str
    attempt: int
    build: int
    goal: str
    instructions: str
    worktree: Path
    spool: Path
    hint: str | None = None
    context: str | None = None
    files: str | None = None
    guidance: str | None = None
    model: str | None = None
    deliverables: Sequence[str] = ()
    scope_paths: Sequence[str] = ()
    read_only: Sequence[str] = ()
    protects_tests: bool = False
    checks: Sequence[Command] = ()
    limits: BuildLimits = BuildLimits()
    situation: Situation = field(default_factory=Situation)
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    refuse_call: Callable[[Sequence[ModelCall]], str | None] = without_limit
    earlier: int | None = None
    resumes: str | None = None
    question: str | None = None


class BuildStatus(StrEnum):
    """How a build ended. Never a verdict: an attempt succeeds when its commit passes its checks."""

    ENDED = "ended"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    """The builder could not do its work; ``BuildResult.summary`` says why."""


class EndedBy(StrEnum):
    """Who brought a build to its end; what its summary says is that party's word."""

    BUILDER = "builder"
    """The program itself, well or badly."""
    PROVIDER = "provider"
    """The provider of its model, which failed or refused a call."""
    AUTOPACK = "autopack"
    """A limit that Autopack keeps: time, silence, output, files, money. The words are its own."""


@dataclass(frozen=True)
class Conversation:
    """The agent's own session of a build: its id where the agent told one, the attempt whose
    conversation it ``continues``, or ``fresh_because`` why a retry began a new one.
    """

    session_id: str | None
    continues: int | None = None
    fresh_because: str | None = None


@dataclass(frozen=True)
class BuildResult:
    """What a build left behind, apart from the changed files themselves.

    ``summary`` is for people. ``http_status`` and ``retry_after`` (seconds) are what the provider
    answered, None when that is not known. ``evidence`` is what the builder or its provider said
    in their own words, "" where all words are Autopack's: only there may phrases be looked for.
    ``conversation`` is None where none was to be continued. ``said`` is its last message, longer
    than a summary may be.
    """

    status: BuildStatus
    exit_status: int | None
    summary: str
    calls: Sequence[ModelCall] = ()
    ended_by: EndedBy = EndedBy.BUILDER
    http_status: int | None = None
    retry_after: float | None = None
    evidence: str = ""
    conversation: Conversation | None = None
    said: str = ""


@dataclass(frozen=True)
class Spend:
    """The calls that the spool of a build tells of, in order, and whether they are all."""

    calls: Sequence[ModelCall] = ()
    exactness: Exactness = Exactness.EXACT


@dataclass(frozen=True)
class Probe:
    """Whether a builder can work here; ``hint`` says what to install or which key to set.

    ``program`` is the one that would be started, ``tested`` whether its version is one that
    Autopack's tests run (None when not known), ``access`` in words what the provider is asked with.
    """

    installed: bool
    version: str | None
    hint: str | None
    program: str | None = None
    tested: bool | None = None
    access: str | None = None
    model: str | None = None


class Builder(Protocol):
    """A coding agent behind one face; ``autopack.agents.agent.Agent`` has the usual answers.

    ``name`` is what ``--builder`` takes. ``options_class`` declares the options, which the class
    is made with. ``usage_parser`` reads what its program tells of usage, where that has a format
    of its own. ``simulated``: it pays nobody, and its calls are marked so in the ledger.
    """

    name: ClassVar[str]
    options_class: ClassVar[type[AgentOptions]]
    usage_parser: ClassVar[type[UsageParser] | None]
    simulated: ClassVar[bool]

    def __init__(self, options: Any) -> None: ...

    @property
    def model(self) -> str | None:
        """The model that is called where a request names none; None when that is not known."""
        ...

    @property
    def endpoint(self) -> str | None:
        """The server that is called where it is not the provider's own."""
        ...

    @property
    def shows_spend(self) -> bool:
        """Whether ``calls`` tells of spend while a build runs, not only when it has ended."""
        ...

    @property
    def tells_usage(self) -> bool:
        """Whether anything can be known of what it spends."""
        ...

    def provider(self, model: str | None) -> str | None:
        """Return who is paid for calls of ``model``; None where no provider is called."""
        ...

    def models(self, plan: Plan, model: str | None) -> Iterable[tuple[str, str]]:
        """Return provider and name of the models that it will call, as far as they are known."""
        ...

    def check(self, plan: Plan) -> None:
        """Raise BadInput when this builder cannot build ``plan``; called before a run starts."""
        ...

    def probe(self) -> Probe:
        """Return whether it can work here, and what is missing. Writes nothing that stays."""
        ...

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Change the files in ``request.worktree``; return when the build has ended.

        Every usage figure is in the spool before this returns, so that ``calls`` finds it.
        """
        ...

    def calls(self, spool: Path) -> Sequence[ModelCall]:
        """Return every model call that the spool of a build tells of, in order; also after
        a kill.
        """
        ...

    def tells_in(self, spool: Path) -> Sequence[Path]:
        """Return the files in which a build tells of its calls as it makes them; cheap to
        ask for.
        """
        ...

    def spend(self, spool: Path) -> Spend:
        """Return the same of a build that has ended or was killed, with how far it can be
        trusted.
        """
        ...

    def left_behind(self, spool: Path) -> tuple[BuildResult, str] | None:
        """Return how a build ended whose process crashed before it did, and the name of the folder
        that it worked in; None where it was cut off.
        """
        ...
