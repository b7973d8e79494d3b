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

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from autopack.agents.registry import parse_options
from autopack.model.errors import BadInput
from autopack.runs.prepare.prepare import RunRequest
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.workspace.remote import Remote
from blocks.configured import configured


class _OfField(dict[str, Any]):
    """The JSON schema of a field, which takes no default."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "default":
            super().__setitem__(key, value)


class _PlainField:
    """Have an optional parameter shown as an ordinary field of its type.

    For a type that may be null Prefect's form shows a switch between "None" and a field. And its
    server takes null, which schedules and callers send, for a plain type only without a default.
    """

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        kinds = [kind for kind in found.get("anyOf", [found]) if kind.get("type") != "null"]
        return _OfField(kinds[0])


def _none_when_empty(value: Any) -> Any:
    """Return None for a field that was left or made empty."""
    return None if value == [] or (isinstance(value, str) and not value.strip()) else value


Text = Annotated[str | None, BeforeValidator(_none_when_empty), _PlainField()]
Names = Annotated[list[str] | None, BeforeValidator(_none_when_empty), _PlainField()]
Number = Annotated[int | None, _PlainField()]

Repo = Annotated[Text, "The git repository: a path or a URL."]
Commit = Annotated[
    Text, "The branch, tag or commit to start from; when empty, what is checked out there."
]
Builder = Annotated[
    Text,
    "The coding agent that builds, such as `claude-code`; when empty, the one that the settings of "
    "the repository name, else `script`. A name with a block, like `claude-code/work`, takes its "
    "keys and options from there.",
]
BuilderOptions = Annotated[
    str,
    BeforeValidator(lambda value: "" if value is None else value),
    _PlainField(),
    "Options of the builder, one KEY=VALUE a line, for example recording=/srv/recording.",
]
Model = Annotated[Text, "The model that the builder uses; when empty, the plan's."]
Features = Annotated[Names, "Features to turn on; one with a minus sign before it is turned off."]
TokenCap = Annotated[Number, "The most tokens each run may spend; when empty, the plan's."]
AtCap = Annotated[Literal["fail", "ask"], "At a cap, fail the run or ask a person."]
Push = Annotated[
    Text,
    "A remote of the repository, a path or a URL: every attempt is pushed there, so that another "
    "machine can resume the run.",
]
DatabaseBlock = Annotated[
    Text, "An Autopack Database block; when empty, DATABASE_URL, else the home's database."
]
AtOnce = Annotated[int, "The most runs at the same time."]
ExecutorName = Annotated[
    Literal["inline", "process", "deployment"],
    "Where runs are executed: inline in this process, each in an operating-system process of its "
    "own, or each by a worker, through a deployment.",
]
DeploymentName = Annotated[
    Text,
    "With that executor, the deployment of execute_run; when empty, execute-run/run.",
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
        lines = [line for line in self.builder_options.splitlines() if line.strip()]
        own = parse_options(lines)
        return replace(asked, builder_options=block.options | own, builder_secrets=block.secrets)


def check_at_once(number: int | None, name: str) -> None:
    """Raise BadInput unless ``number``, the parameter ``name``, lets something run."""
    if number is not None and number < 1:
        raise BadInput(f"invalid {name}: {number}", field="max", hint="use 1 or more")


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
