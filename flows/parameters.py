"""Parameters that several flows have: the type of each, what it means, and what they ask for.

Prefect derives the form in its UI, the schema of a deployment and the validation from a flow's
signature. So each flow has a real one, of these types; what a type says of its parameter is put
into the flow's docstring, where Prefect and the reference read it.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_origin

from autopack.agents.registry import parse_options
from autopack.model.errors import BadInput
from autopack.runs.prepare.prepare import RunRequest
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.workspace.remote import Remote
from blocks.configured import configured

Repo = Annotated[str | None, "The git repository: a path or a URL."]
Commit = Annotated[str | None, "The revision to start from; default: HEAD."]
Builder = Annotated[
    str | None,
    "The coding agent that builds; default: `script`. A name with a block, like "
    "`claude-code/work`, takes its keys and options from there.",
]
BuilderOptions = Annotated[
    str, "Its options, one KEY=VALUE a line, for example recording=/srv/recording."
]
Model = Annotated[str | None, "The model it uses; default: the plan's."]
Features = Annotated[
    list[str] | None, "Features to turn on; one with a minus sign before it is turned off."
]
TokenCap = Annotated[int | None, "The most tokens each run may spend; default: the plan's."]
AtCap = Annotated[Literal["fail", "ask"], "At a cap, fail the run or ask a person."]
Push = Annotated[
    str | None,
    "A remote of the repository, a path or a URL: every attempt is pushed there, so that another "
    "machine can resume the run.",
]
DatabaseBlock = Annotated[
    str | None, "An Autopack Database block; default: DATABASE_URL, else the home's."
]
AtOnce = Annotated[int, "The most runs at the same time."]
ExecutorName = Annotated[
    Literal["inline", "process", "deployment"],
    "Where runs are executed: inline in this process, each in an operating-system process of its "
    "own, or each by a worker, through a deployment.",
]
DeploymentName = Annotated[
    str | None,
    "With that executor, the deployment of execute_run; default: execute-run/run.",
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a flow is asked to run; ``push`` may have been checked."""

    plan: str | None = None
    repo: str | None = None
    commit: str | None = None
    builder: str | None = None
    builder_options: str = ""
    model: str | None = None
    features: list[str] | None = None
    token_cap: int | None = None
    at_cap: Literal["fail", "ask"] = "fail"
    run_id: str | None = None
    push: str | Remote | None = None

    async def request(self, db: Database, settings: Settings) -> RunRequest:
        """Return this as a request, with what its repository and the builder's block add to it."""
        wanted = self.features or ()
        bare = RunRequest(
            plan=self.plan or "",
            repo=self.repo or ".",
            commit=self.commit,
            builder=self.builder,
            model=self.model,
            enable=tuple(name for name in wanted if not name.startswith("-")),
            disable=tuple(name[1:] for name in wanted if name.startswith("-")),
            token_cap=self.token_cap,
            at_cap=self.at_cap,
            run_id=self.run_id,
            push=self.push,
        )
        asked = await asyncio.to_thread(with_defaults, bare, db=db, settings=settings)
        block = await configured(asked.builder)
        own = parse_options(self.builder_options.splitlines())
        return replace(asked, builder_options=block.options | own, builder_secrets=block.secrets)


def check_at_once(number: int | None, name: str) -> None:
    """Raise BadInput unless ``number``, the parameter ``name``, lets something run."""
    if number is not None and number < 1:
        raise BadInput(f"{name} is {number}", field="max", hint="use 1 or more")


_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def documented(function: Callable[..., Any]) -> str:
    """Return the docstring of a flow with every parameter, as its type or the docstring says."""
    text, _, written = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    said = dict(_ARGUMENT.findall(written))
    lines = list[str]()
    for name, parameter in inspect.signature(function).parameters.items():
        declared = parameter.annotation
        if name not in said and get_origin(declared) is Annotated:
            said[name] = next(word for word in declared.__metadata__ if isinstance(word, str))
        if name in said:
            lines.append(f"    {name}: {said[name]}")
    return "\n".join([f"{text}\n\nArgs:", *lines]) if lines else text
