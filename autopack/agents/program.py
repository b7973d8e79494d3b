"""What the command-line agents share: an own home, one supervised call, an honest result.

An agent runs with a home folder inside the attempt's spool and without the variables that would
lead it to the user's own configuration. Its key travels by environment. The prompt goes in by
stdin, so its length and its first character do not matter.
"""

from __future__ import annotations

import contextlib
import shutil
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from autopack.agents.agent import Agent
from autopack.agents.bounds import Bounds, result_of, sizes, unattended
from autopack.agents.continuing import keep, resuming, told_before
from autopack.agents.isolation import isolated_environment
from autopack.agents.model_providers import check_served, provider_of
from autopack.agents.noted_spend import read_noted, write_spend
from autopack.agents.options import McpOptions, OwnConfigOptions, ProgramOptions
from autopack.agents.own.extra_arguments import extra_arguments
from autopack.agents.own.mcp_servers import secrets_of
from autopack.agents.program_note import ProgramNote, read_note, write_note
from autopack.agents.program_version import version_of
from autopack.agents.prompt import PROMPT_VERSION, render_prompt
from autopack.agents.protocol import BuildRequest, BuildResult, Conversation, Probe, Spend
from autopack.agents.refused_resumption import forget_start, why_refused, without_conversation
from autopack.agents.usage_formats import parse_with
from autopack.agents.usage_reading import Sums, Usage, opened
from autopack.agents.watching import Watch, watched
from autopack.files import safe_files
from autopack.model.calls import Exactness
from autopack.model.errors import BadInput
from autopack.model.locations import expanded
from autopack.process.exit_note import EXIT_NOTE, read_exit
from autopack.process.run_options import RunOptions
from autopack.settings import process_environment

if TYPE_CHECKING:
    from autopack.agents.own.user_configuration import UserConfiguration
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Supervisor

OUTPUT = "builder.out"
_HOME = "home"
_MAX_OUTPUT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Invocation:
    """How an agent is called: arguments after the program, and variables of its own."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class CommandLineAgent(Agent[ProgramOptions]):
    """A coding agent that is installed as a program.

    ``program`` is its name on PATH, ``package`` the npm package that brings it. What it prints
    is read by ``usage_parser``; without one nothing is known of what it spends.
    """

    program: ClassVar[str]
    package: ClassVar[str]
    install: ClassVar[str | None] = None
    """The command that installs it, where that is not npm's."""
    needs_model: ClassVar[bool] = False
    own_arguments: ClassVar[Collection[str]] = ()
    """What a user's `args` may not hold: Autopack sets it, or it would end the isolation."""
    abbreviates: ClassVar[bool] = False
    """Whether the program takes the beginning of a long option for the whole."""
    reads: ClassVar[Sequence[str]] = ("AGENTS.md",)
    """The repository's files of instructions that it reads by itself: the first that is there."""
    can_continue: ClassVar[bool] = False
    """Whether a retry can continue a conversation of it."""
    tested: ClassVar[Collection[str]] = ()
    """The versions of the program that Autopack's tests run."""

    def __init__(self, options: ProgramOptions) -> None:
        super().__init__(options)
        self.base_url = (options.base_url or "").rstrip("/") or None
        self._bounds = Bounds(options.stall, options.max_files)

    @property
    def endpoint(self) -> str | None:
        return self.base_url

    @property
    def shows_spend(self) -> bool:
        return self.tells_usage

    @property
    def tells_usage(self) -> bool:
        return self.usage_parser is not None

    def check(self, plan: Plan) -> None:
        """Raise BadInput when the program, its key or its model is missing."""
        self._program_path()
        model = plan.models.first_builder or self.model
        if model is None and self.needs_model:
            raise BadInput(
                f"{self.name} needs a model",
                field="model",
                hint="name one with --model, in the plan's models.builder or as --set model=NAME",
            )
        self.access(model)
        self.extra()
        if isinstance(self.options, McpOptions):
            self.options.servers()
        self.configuration()

    def access(self, model: str | None) -> str:
        """Return in words what the provider is asked with. Raises BadInput where it is missing."""
        self.key(model)
        if self.options.api_key is not None:
            return "a key from a block"
        if self.options.key_command is not None:
            return "key_command"
        name = self.key_env(model)
        return name if process_environment().get(name) else "no key"

    def secrets(self) -> Sequence[str]:
        """Return what a build gets that must not be kept, besides the environment's secrets."""
        printed = self.options.printed_key()
        servers = self.options.servers() if isinstance(self.options, McpOptions) else ()
        return (*((printed,) if printed else ()), *secrets_of(servers))

    def configuration(self) -> Mapping[str, str]:
        """Return what shapes its builds besides its options, for the fingerprint of a run."""
        own = self.users_settings()
        config = {} if own is None else {"config": own.digest()}
        return {"prompt": PROMPT_VERSION, **config}

    def users_settings(self) -> UserConfiguration | None:
        """Return the user's settings that a build gets; None where none are wanted."""
        wanted = isinstance(self.options, OwnConfigOptions) and self.options.takes_users
        return self.settings_place(process_environment()) if wanted else None

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        """Return where users keep settings of the program that a build can have."""
        raise NotImplementedError

    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Let the agent work in the worktree until it ends or its time is up."""
        home = safe_files.make_folder(request.spool / _HOME, below=request.spool)
        model = request.model or self.model
        fresh_because = None
        if self.options.continues:
            request, fresh_because = resuming(
                request, home, self, model=model, can_continue=self.can_continue
            )
        began = monotonic()
        result = await self._build(request, supervisor, home, model, fresh_because)
        refusal = why_refused(result, request, OUTPUT)
        if refusal is None:
            return result
        # Nothing was spent: this costs no attempt, and what is told from now on is the new build's.
        forget_start(request.spool, OUTPUT)
        fresh = without_conversation(request, monotonic() - began)
        home = safe_files.make_folder(home, below=request.spool)
        return await self._build(fresh, supervisor, home, model, refusal)

    async def _build(
        self,
        request: BuildRequest,
        supervisor: Supervisor,
        home: Path,
        model: str | None,
        fresh_because: str | None,
    ) -> BuildResult:
        """Start the program once, and return how that ended."""
        note = ProgramNote(
            model,
            self.provider(model),
            str(request.worktree),
            request.earlier if request.resumes else None,
            fresh_because,
        )
        write_note(request.spool, note)
        invocation = self.prepare(request, home, model)
        environment = isolated_environment(
            request.environment, home=home, worktree=request.worktree, base_url=self.base_url
        )
        output = request.spool / OUTPUT
        run = supervisor.run(
            [self._program_path(), *invocation.arguments, *self.extra()],
            cwd=request.worktree,
            env={**environment, **invocation.environment},
            timeout=request.limits.seconds,
            spool=output,
            options=RunOptions(
                writable=(request.worktree, home),
                spends=True,
                max_output=_MAX_OUTPUT,
                silence=self._bounds.silence,
                signs=lambda: sizes(self.tells_in(request.spool)),
                files=self._bounds.of_files(request),
                input=render_prompt(request, reads=self.reads),
                exit_note=request.spool / EXIT_NOTE,
            ),
        )
        try:
            end, ended_because = await watched(run, output, self.watch())
        finally:
            usage = self.usage(request.spool)
            write_spend(request.spool, Spend(usage.calls, usage.exactness))
            conversation = self._conversation(request.spool)
            # The home may hold 100 MB, and whatever the agent saw.
            with contextlib.suppress(OSError):
                safe_files.remove(home)
        return replace(result_of(usage, end, ended_because), conversation=conversation)

    def left_behind(self, spool: Path) -> tuple[BuildResult, str] | None:
        """Return how a build ended that outlived its process, and the folder that it worked
        in.
        """
        noted = read_exit(spool)
        if noted is None:
            return None
        usage = self.usage(spool)
        write_spend(spool, Spend(usage.calls, usage.exactness))
        conversation = self._conversation(spool)
        with contextlib.suppress(OSError):
            safe_files.remove(spool / _HOME)
        result = result_of(usage, unattended(noted, spool / OUTPUT), None)
        return replace(result, conversation=conversation), noted.folder

    def tells_in(self, spool: Path) -> Sequence[Path]:
        """Return its output, and the session files that it has so far."""
        return (spool / OUTPUT, *self.session_files(spool / _HOME))

    def spend(self, spool: Path) -> Spend:
        """Return the same, and whether it is all: what an agent that was never started spent is."""
        noted = read_noted(spool)
        if noted is not None:
            return noted
        if not safe_files.is_file(spool / OUTPUT):
            return Spend()
        usage = self.usage(spool)
        return Spend(usage.calls, usage.exactness)

    def usage(self, spool: Path) -> Usage:
        """Return what the agent's output and, until the build ends, its session files tell."""
        if self.usage_parser is None:
            return Usage((), Sums(None), Exactness.UNKNOWN)
        output = spool / OUTPUT
        told = [output] if safe_files.is_file(output) else []
        # The agent's own files may be links and FIFOs by now, and go away at any time.
        sources = (
            source
            for one in (*told, *self.sessions(spool / _HOME))
            if (source := opened(one)) is not None
        )
        note = read_note(spool)
        earlier = told_before(spool, note.continues, OUTPUT, self.told_in)
        if earlier is None:
            # What it says cannot be told from what it said before.
            return Usage((), Sums(None), Exactness.UNKNOWN)
        model = note.model or self.model
        return parse_with(
            self.usage_parser,
            sources,
            provider=note.provider or self.provider(model),
            model=model or "",
            earlier=earlier,
            output=output,
        )

    def _conversation(self, spool: Path) -> Conversation | None:
        """Return what the build was in the agent's own terms, and keep it for a retry."""
        if not self.options.continues:
            return None
        home = spool / _HOME
        found = self.session_of(home, spool / OUTPUT) if self.can_continue else None
        return keep(spool, home, found, builder=self.name)

    def probe(self) -> Probe:
        """Return whether the program is installed, and in which version. Writes nothing
        that stays.
        """
        try:
            program = self._program_path()
        except BadInput as error:
            return Probe(installed=False, version=None, hint=error.hint)
        version = version_of(program)
        about = Probe(
            installed=True,
            version=version,
            hint=None,
            program=program,
            tested=None if not version or not self.tested else version in self.tested,
            model=self.model,
        )
        try:
            return replace(about, access=self.access(self.model))
        except BadInput as error:
            return replace(about, hint=error.hint)

    @abstractmethod
    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        """Write the agent's configuration under ``home`` and say how it is called."""

    @abstractmethod
    def default_key_env(self, model: str | None) -> str:
        """Return the variable in which users keep the key for ``model``."""

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        """Return where else than on stdout the agent tells of usage: files under ``home``, or
        lines.
        """
        del home
        return ()

    def session_of(self, home: Path, output: Path) -> tuple[str, Sequence[Path]] | None:
        """Return the id of the session that ``output`` tells of, and its files under ``home``."""
        del home, output

    def told_in(self, file: Path) -> Path | bytes | None:
        """Return what a file of a session that is kept tells of usage; None for nothing."""
        return file

    def knows(self, home: Path, session_id: str) -> bool:
        """Return whether the program will find a session in ``home``.

        Only for programs that begin a new one without saying so where they do not.
        """
        del home, session_id
        return True

    def session_files(self, home: Path) -> Sequence[Path]:
        """Return the files behind ``sessions``, without reading any."""
        return [path for path in self.sessions(home) if isinstance(path, Path)]

    def watch(self) -> Watch | None:
        """Return what looks over the agent's shoulder, where its own limits do not hold."""
        return None

    def provider(self, model: str | None) -> str:
        """Return who is paid for calls of ``model``; empty where the agent's output says it."""
        return provider_of(model)

    def key_names(self, model: str | None) -> Sequence[str]:
        """Return the variables in which users keep the key for ``model``, the usual one first."""
        return (self.default_key_env(model),)

    def key_env(self, model: str | None) -> str:
        """Return the variable of the key: the one that is named, else the first that is set."""
        names = self.key_names(model)
        found = (name for name in names if process_environment().get(name))
        return self.options.key_env or next(found, names[0])

    def key(self, model: str | None) -> str:
        """Return the key to send; raises BadInput when there is none and the provider will want
        one.
        """
        name = self.key_env(model)
        key = self.options.key(name)
        if key:
            return key
        if self.base_url:
            return "unused"
        if self.options.key_env is None:
            check_served(self.name, model, self.provider(model))
        raise BadInput(
            f"{self.name} has no key: {name} is not set",
            field="key_env",
            hint=self.key_hint(name),
        )

    def key_hint(self, name: str) -> str:
        """Return what somebody can do who has no key in the variable ``name``."""
        return f"set {name}, or name the variable that holds the key: --set key_env=NAME"

    def extra(self) -> list[str]:
        """Return the arguments that the user adds. Raises BadInput for one of Autopack's own."""
        own, short = self.own_arguments, self.abbreviates
        return extra_arguments(self.options.args, program=self.program, own=own, abbreviates=short)

    def _program_path(self) -> str:
        wanted = self.options.executable or self.program
        found = shutil.which(str(expanded(wanted, "executable")) if wanted[0] == "~" else wanted)
        if found is None:
            install = self.install or f"npm install -g {self.package}"
            raise BadInput(
                f"{self.name} needs the program {wanted}, which is not installed",
                field="builder",
                hint=f"{install}, or --set executable=PATH",
            )
        return str(Path(found).absolute())
