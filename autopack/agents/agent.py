"""What every agent has without saying so: a class to start a new one from.

An agent is one class, in one file: its options, how it builds, and, where its program tells what
it spends in a format of its own, the parser of that. It is made known by an entry point::

    [project.entry-points."autopack.agents"]
    mine = "my_package.mine:MineBuilder"
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from autopack import __version__
from autopack.agents.model_providers import provider_of
from autopack.agents.options import AgentOptions
from autopack.agents.protocol import Builder, BuildRequest, BuildResult, Probe, Spend
from autopack.agents.spooled import SPOOL, read_spend
from autopack.agents.usage_reading import UsageParser
from autopack.model.calls import ModelCall

if TYPE_CHECKING:
    from autopack.plan.plan import Plan
    from autopack.process.supervisor import Supervisor

AnyOptions = TypeVar("AnyOptions", bound=AgentOptions)


class Agent(ABC, Generic[AnyOptions]):
    """A builder; the first sentence of a subclass's docstring says what it is.

    As it stands, it tells what it spends in the spool that `autopack.agents.spooled` describes.
    """

    name: ClassVar[str]
    options_class: ClassVar[type[AgentOptions]]
    usage_parser: ClassVar[type[UsageParser] | None] = None
    simulated: ClassVar[bool] = False

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    @abstractmethod
    async def build(self, request: BuildRequest, supervisor: Supervisor) -> BuildResult:
        """Change the files in the worktree; return when the build has ended."""

    @property
    def model(self) -> str | None:
        """The model that is called where a request names none: its option of that name."""
        return getattr(self.options, "model", None)

    @property
    def endpoint(self) -> str | None:
        """Another server than the provider's own: its option ``base_url``."""
        return getattr(self.options, "base_url", None) or None

    @property
    def shows_spend(self) -> bool:
        """Whether ``calls`` tells of spend while a build runs, not only when it has ended."""
        return True

    @property
    def tells_usage(self) -> bool:
        """Whether anything can be known of what it spends."""
        return True

    def provider(self, model: str | None) -> str | None:
        """Return who is paid for calls of ``model``; None where no provider is called."""
        del model
        return None

    def models(self, plan: Plan, model: str | None) -> Iterable[tuple[str, str]]:
        """Return the models that it will call, as far as they are known: the run's or its own."""
        del plan
        name = model or self.model
        return () if name is None else ((self.provider(name) or provider_of(name), name),)

    def check(self, plan: Plan) -> None:
        """Raise BadInput when it cannot build ``plan``; called before a run starts."""
        del plan

    def secrets(self) -> Sequence[str]:
        """Return what a build gets that must not be kept, besides the environment's secrets."""
        return ()

    def configuration(self) -> Mapping[str, str]:
        """Return what shapes its builds besides its options, for the fingerprint of a run."""
        return {}

    def probe(self) -> Probe:
        """Return whether it can work here: as a part of Autopack it always can."""
        return Probe(installed=True, version=__version__, hint=None)

    def calls(self, spool: Path) -> Sequence[ModelCall]:
        """Return every model call that the spool of a build tells of; also after a kill."""
        return self.spend(spool).calls

    def tells_in(self, spool: Path) -> Sequence[Path]:
        """Return the files in which a build tells of its calls as it makes them."""
        return (spool / SPOOL,)

    def spend(self, spool: Path) -> Spend:
        """Return the same of a build that ended or was killed, and whether it is all."""
        return read_spend(spool)

    def left_behind(self, spool: Path) -> tuple[BuildResult, str] | None:
        """Return how a build ended without the process that started it; it ends with it."""
        del spool


def summary_of(agent: type[Builder]) -> str:
    """Return the first sentence of an agent's docstring: what it is."""
    paragraph = " ".join(inspect.cleandoc(agent.__doc__ or "").partition("\n\n")[0].split())
    sentence = re.split(r"(?<=\.) ", paragraph)[0]
    return sentence or f"Builds phases with {agent.name}."
