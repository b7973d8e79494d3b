"""Options that several commands have, each declared once: a class is a group of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from autopack.agents.registry import parse_options
from autopack.model.errors import BadInput
from autopack.runs.prepare.prepare import RunRequest

Push = Annotated[
    str | None, Parameter(help="A remote, folder or URL that every attempt is pushed to.")
]
BuilderOptions = Annotated[
    list[str] | None, Parameter(name="--set", help="A builder option KEY=VALUE.", negative="")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What runs are made of, but for their plans and names."""

    repo: Annotated[str, Parameter(help="The git repository: a folder or a URL.")]
    commit: Annotated[str | None, Parameter(help="Where to start; default: HEAD.")] = None
    builder: Annotated[str | None, Parameter(help="The coding agent; see `builders`.")] = None
    set_: BuilderOptions = None
    model: Annotated[str | None, Parameter(help="The builder's model.")] = None
    token_cap: Annotated[int | None, Parameter(help="Token cap for the run.")] = None
    at_cap: Annotated[
        Literal["fail", "ask"], Parameter(help="At a cap: fail, or wait for a person.")
    ] = "fail"
    push: Push = None
    enable: Annotated[list[str] | None, Parameter(help="Turn a feature on.", negative="")] = None
    disable: Annotated[list[str] | None, Parameter(help="Turn a feature off.", negative="")] = None

    def request(
        self,
        plan: str,
        **more: Any,
    ) -> RunRequest:
        """Return what is asked for; ``more`` goes into the request as it is."""
        return RunRequest(
            plan=plan,
            repo=self.repo,
            commit=self.commit,
            builder=self.builder,
            builder_options=parse_options(self.set_ or []),
            model=self.model,
            enable=tuple(self.enable or ()),
            disable=tuple(self.disable or ()),
            token_cap=self.token_cap,
            at_cap=self.at_cap,
            **more,
        )

    @property
    def features(self) -> list[str]:
        """The features as flows are told of them: one to turn off has a minus sign."""
        return [*(self.enable or ()), *(f"-{name}" for name in self.disable or ())]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where runs are executed."""

    executor: Annotated[
        Literal["inline", "process", "deployment"],
        Parameter(help="In this process, each in one of its own, or each by a worker."),
    ] = "inline"
    deployment: Annotated[
        str | None,
        Parameter(help="With --executor deployment: another one than execute-run/run."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ManyRuns(Execution):
    """Where many runs are executed, and how many at the same time."""

    max_: Annotated[int, Parameter(name="--max", help="How many runs at the same time.")] = 3

    def check(self) -> None:
        """Raise BadInput for a number that nothing could be done with."""
        if self.max_ < 1:
            raise BadInput(f"invalid --max: {self.max_}", field="max", hint="use 1 or more")


INLINE = Execution()
THREE_INLINE = ManyRuns()
