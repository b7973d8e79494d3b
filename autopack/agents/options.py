"""The options of an agent, declared once.

Every agent has a class of them. What `--set` takes and refuses, the agent's Prefect block, its
table in the documentation, which options are paths and which are secrets derive from the fields:

- the type says what a value may be, and reads it from text;
- ``Path``: a file or folder, made absolute before another process sees it;
- ``SecretStr``: from a block or code only, never stored with a run;
- ``Field(description=…)`` is shown wherever the option is, ``examples`` shows how it is typed;
- a field without a default has to be given.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic.fields import FieldInfo

from autopack.agents.option_schema import forms, in_words, is_guarded
from autopack.agents.own.extra_arguments import readable_arguments
from autopack.agents.own.key_command import key_from, readable_command
from autopack.agents.own.mcp_servers import McpServer, mcp_servers, variable_names
from autopack.model.errors import BadInput
from autopack.process.limits import MAX_FILES
from autopack.secrecy.addresses import check_no_secret
from autopack.secrecy.credentials import SHAPES, environment_secrets
from autopack.secrecy.redaction import Redactor
from autopack.settings import process_environment

# Capitals alone, as is the custom: much that is pasted here by mistake is a key itself.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_LONGEST_VALUE = 200

STALL_SECONDS = 600.0
"""So long a build may say nothing. A model thinks for minutes; a hung provider does for ever."""


def _variable(value: str, info: ValidationInfo) -> str:
    if _VARIABLE.fullmatch(value):
        return value
    # The value is not repeated: it may be the key itself.
    raise BadInput(
        f"{info.field_name} is not the name of an environment variable in capitals",
        field=info.field_name,
        hint="name the variable that holds the key, for example ANTHROPIC_API_KEY",
    )


def _address(value: str, info: ValidationInfo) -> str:
    check_no_secret(value, info.field_name or "")
    return value


_GUARDED = Field(json_schema_extra={"guarded": True})

VariableName = Annotated[str, AfterValidator(_variable), _GUARDED]
"""The name of an environment variable, which may hold a secret."""

Address = Annotated[str, AfterValidator(_address), _GUARDED]
"""A URL without a login or a secret in it."""

Seconds = Annotated[
    float, Field(gt=0, allow_inf_nan=False, json_schema_extra={"unit": "of seconds"})
]
"""A time above zero."""

AtLeastOne = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class OptionRow(NamedTuple):
    """An option as tables show it; ``default`` is None where nothing is assumed."""

    name: str
    description: str
    default: str | None
    is_required: bool
    is_path: bool
    is_secret: bool


class AgentOptions(BaseModel):
    """The options that one agent takes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    @classmethod
    def read(
        cls,
        builder: str,
        options: Mapping[str, str],
        secrets: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the options of ``builder`` from text; ``secrets`` are those never stored.

        Raises BadInput naming the first that is not taken or cannot be read.
        """
        rows = {row.name: row for row in cls.rows()}
        for name in options:
            if name not in rows:
                told = ", ".join(row.name for row in rows.values() if not row.is_secret)
                raise BadInput(
                    f"builder {builder} has no option {name!r}",
                    field="set",
                    hint=f"it takes {told or 'none'}",
                )
            if rows[name].is_secret:
                variable = "an environment variable (--set key_env=NAME) or "
                raise BadInput(
                    f"{name} is a secret, and options are stored with the run",
                    field="set",
                    hint=f"put it into {variable if 'key_env' in rows else ''}a block",
                )
        keys = Redactor(environment_secrets(process_environment()))
        guarded = {name for name in options if is_guarded(_schema(cls)[name])}
        # Before a value that cannot be read is repeated.
        _check_no_key({name: options[name] for name in options if name not in guarded}, keys)
        # No path is not the folder that this process is in.
        given = {name: text for name, text in options.items() if text or not rows[name].is_path}
        try:
            read = cls.model_validate({**given, **(secrets or {})})
        except ValidationError as error:
            [first, *_] = error.errors(include_url=False)
            raise cls._refusal(builder, first["loc"], first["type"], first["msg"], given) from None
        _check_no_key({name: options[name] for name in guarded}, keys)
        return read

    @classmethod
    def _refusal(
        cls,
        builder: str,
        place: tuple[int | str, ...],
        kind: str,
        message: str,
        given: Mapping[str, str],
    ) -> BadInput:
        name = str(place[0]) if place else ""
        field = cls.model_fields.get(name)
        if field is None:
            return BadInput(f"the options of builder {builder}: {message}", field="set")
        if kind == "missing":
            [example] = (field.examples or ["…"])[:1]
            return BadInput(
                f"builder {builder} needs the option {name}",
                field=name,
                hint=f"add --set {name}={example}: {field.description or name}",
            )
        if name not in given:  # a secret
            return BadInput(f"{name} cannot be used", field=name, hint=message)
        wanted = in_words(_schema(cls)[name])
        return BadInput(
            f"{name} is {given[name]!r:.{_LONGEST_VALUE}}",
            field=name,
            hint=f"use {wanted}" if wanted else message.removeprefix("Value error, "),
        )

    @classmethod
    def rows(cls) -> tuple[OptionRow, ...]:
        """Return what tables show of every option, in their order."""
        return tuple(
            _row(name, field, _schema(cls)[name]) for name, field in cls.model_fields.items()
        )

    @classmethod
    def path_names(cls) -> frozenset[str]:
        """Return the options that name a file or folder."""
        return frozenset(row.name for row in cls.rows() if row.is_path)


class ProviderOptions(AgentOptions):
    """What every agent takes that asks a provider."""

    model: str | None = Field(None, description="the model, where run and plan name none")
    base_url: Address | None = Field(
        None, description="another endpoint than the provider's own; it needs no key"
    )
    api_key: SecretStr | None = Field(None, description="the provider's key itself")
    key_env: VariableName | None = Field(
        None, description="the environment variable that holds the key"
    )
    key_command: Annotated[str, AfterValidator(readable_command)] | None = Field(
        None,
        description="a command that prints the key, run without a shell once a run",
        examples=["'pass show anthropic'"],
    )
    stall: Seconds = Field(
        STALL_SECONDS, description="seconds of silence after which a build is ended"
    )

    def key(self, variable: str) -> str | None:
        """Return the key that was given, that a command prints, or that ``variable`` holds.

        Raises BadInput when the command prints none.
        """
        given = None if self.api_key is None else self.api_key.get_secret_value()
        return given or self.printed_key() or process_environment().get(variable)

    def printed_key(self) -> str | None:
        """Return the key that a command prints; None without a command. Raises BadInput."""
        return None if self.key_command is None else key_from(self.key_command)


if TYPE_CHECKING:
    _ContinuingOptions = ProviderOptions
else:
    # A word of the language, which no class can have as a field's name.
    _ContinuingOptions = create_model(
        "_ContinuingOptions",
        __base__=ProviderOptions,
        **{
            "continue": (
                bool,
                Field(
                    False,
                    description="a retry continues the agent's own conversation, where it can",
                ),
            )
        },
    )


class ProgramOptions(_ContinuingOptions):
    """What every agent takes that is installed as a program."""

    executable: str | None = Field(None, description="the program, where it is not on PATH")
    args: Annotated[str, AfterValidator(readable_arguments)] | None = Field(
        None, description="arguments for the program, besides those that Autopack passes"
    )
    max_files: AtLeastOne = Field(
        MAX_FILES, description="the most new files that a build may leave"
    )

    @property
    def continues(self) -> bool:
        """Whether a retry is to continue the conversation of the attempt before it."""
        return getattr(self, "continue")


def _names(text: str) -> str:
    wrong = [name for name in variable_names(text) if not name.replace("_", "a").isalnum()]
    if wrong:
        raise BadInput(
            "mcp_env lists something that is not the name of a variable",
            field="mcp_env",
            hint="list names with commas: GITHUB_TOKEN,SENTRY_TOKEN",
        )
    return text


class OwnConfigOptions(ProgramOptions):
    """What programs take whose settings can be handed to a build."""

    config: Literal["isolated", "user"] = Field(
        "isolated",
        description="`user` copies your own settings of the program into the build's home",
    )

    @property
    def takes_users(self) -> bool:
        """Whether the user's own settings are wanted."""
        return self.config == "user"


class McpOptions(OwnConfigOptions):
    """What programs take besides that can call MCP servers."""

    mcp: Path | None = Field(
        None, description="a file with MCP servers, as Claude Code's `.mcp.json`"
    )
    mcp_env: Annotated[str, AfterValidator(_names)] | None = Field(
        None, description="the variables that `${NAME}` in that file may stand for, with commas"
    )

    def servers(self) -> tuple[McpServer, ...]:
        """Return the MCP servers for a build. Raises BadInput."""
        return mcp_servers(self.mcp, variable_names(self.mcp_env))


@cache
def _schema(options: type[AgentOptions]) -> Mapping[str, Mapping[str, Any]]:
    return options.model_json_schema().get("properties", {})


def _row(name: str, field: FieldInfo, schema: Mapping[str, Any]) -> OptionRow:
    kinds = forms(schema)
    default = None if field.is_required() or field.default is None else str(field.default)
    return OptionRow(
        name=name,
        description=field.description or "",
        default=default,
        is_required=field.is_required(),
        is_path=any(str(form.get("format", "")).endswith("path") for form in kinds),
        is_secret=any(form.get("writeOnly", False) for form in kinds),
    )


def _check_no_key(options: Mapping[str, str], keys: Redactor) -> None:
    """Raise BadInput for a value that holds a key: options are stored with the run."""
    for name, value in options.items():
        text = str(value)
        if SHAPES.search(text) is None and not keys.is_key_in(io.BytesIO(text.encode())):
            continue
        raise BadInput(
            f"{name} holds a secret, and options are stored with the run",
            field=name,
            hint="keys come from key_env (--set key_env=NAME) or a block",
        )
