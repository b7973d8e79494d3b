"""Finding the blocks of a run: its builder's, ``claude-code/work``, and its doctor's."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from httpx import HTTPStatusError
from prefect.blocks.core import Block
from pydantic import ValidationError

from autopack.agents.registry import builder_class, split_name
from autopack.model.errors import BadInput, NotFound, Refused
from autopack.repair.doctor.doctor_endpoint import Endpoint
from autopack.settings import DOCTOR_BLOCK
from blocks.builders import BuilderBlock
from blocks.doctor import AutopackDoctor

AnyBlock = TypeVar("AnyBlock", bound=Block)


@dataclass(frozen=True)
class Configured:
    """A builder's options from a block; ``secrets`` are never stored."""

    options: dict[str, str] = field(default_factory=dict[str, str])
    secrets: dict[str, str] = field(default_factory=dict[str, str], repr=False)


async def load(kind: type[AnyBlock], full_name: str, *, field: str) -> AnyBlock:
    """Return the block ``TYPE/NAME``; ``field`` is the input that names it.

    Raises NotFound when there is none, BadInput when it was stored by a version of Autopack whose
    blocks had other fields, Refused when the login may not read it.
    """
    name = full_name if kind is Block else full_name.partition("/")[2]
    try:
        return await kind.aload(name)
    except (RuntimeError, ValidationError) as error:  # before ValueError, which the second is
        raise BadInput(
            f"the block {full_name} was stored with other fields than this version of Autopack "
            f"knows: {_first_line(error.__cause__ or error)}",
            field=field,
            hint="open it in the Prefect UI, under Blocks, and save it again; `autopack deploy` "
            "makes the new form known",
        ) from error
    except ValueError as error:
        raise NotFound(
            f"there is no block {full_name}",
            field=field,
            hint="make one in the Prefect UI, under Blocks",
        ) from error
    except HTTPStatusError as error:
        if error.response.status_code not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise
        raise Refused(
            f"the Prefect server does not let this login read the block {full_name}: "
            f"HTTP {error.response.status_code}",
            field=field,
            hint="ask for the right to read blocks, or name no block",
        ) from error


def _first_line(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3]
        )
    return (str(error) or type(error).__name__).splitlines()[0]


async def configured(builder: str | None) -> Configured:
    """Return what the block in the builder's name says; nothing for a name without one.

    Raises NotFound when there is no such builder or no such block.
    """
    name, block_name = split_name(builder or "")
    if block_name is None:
        return Configured()
    builder_class(name)
    slug = f"autopack-builder-{name}"
    block = await load(Block, f"{slug}/{block_name}", field="builder")
    if not isinstance(block, BuilderBlock):
        raise NotFound(f"{slug}/{block_name} is not the block of a builder", field="builder")
    return Configured(block.options(), block.secrets())


async def configured_doctor() -> Endpoint | None:
    """Return what the doctor's block says; None where there is none, and the environment has the
    key.

    Raises NotFound when the block that AUTOPACK_DOCTOR_BLOCK names does not exist.
    """
    name = DOCTOR_BLOCK.of()
    try:
        block = await load(
            AutopackDoctor, f"autopack-doctor/{name or 'default'}", field=DOCTOR_BLOCK.name
        )
    except NotFound:
        if name is None:
            return None
        raise
    return Endpoint(block.api_key.get_secret_value(), block.base_url)
