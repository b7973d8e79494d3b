"""What a request may say: a query parameter that a route does not know is an error, not ignored."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from autopack.model.errors import BadInput
from deployments.api.problems import UnsupportedType

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


async def known_parameters_only(request: Request) -> None:
    """Raise BadInput naming the first query parameter that this route does not declare."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    if not request.query_params:
        return
    known = sorted(set(_query_parameters(route.dependant)))
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise BadInput(
            f"unknown query parameter: {unknown}",
            field=unknown,
            hint=f"this route takes {', '.join(known) or 'none'}",
        )
    names = [name for name, _ in request.query_params.multi_items()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"{twice} is there twice", field=twice, hint="name it once")


async def json_only(request: Request) -> None:
    """Raise BadInput for a body where none is taken, or that names something twice, and
    UnsupportedType for one that is no JSON.

    Where callers are asked who they are, that comes first.
    """
    route, body = request.scope.get("route"), await request.body()
    if not isinstance(route, APIRoute):
        return
    if not route.dependant.body_params:
        if body.strip() not in (b"", b"{}"):
            raise BadInput("this route takes no body", field="body", hint="send none")
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise UnsupportedType(
            f"{kind or 'a body without a type'} is not taken here",
            field="Content-Type",
            hint="send application/json",
        )
    with contextlib.suppress(ValueError, RecursionError):  # said by who reads it
        json.loads(body, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise BadInput(f"{name[:100]} is there twice", field=name[:100], hint="name it once")
        found[name] = value
    return found


async def storable_text_only(request: Request) -> None:
    """Raise BadInput where a request has text that no database holds: NUL, or half a character."""
    for name, value in (*request.path_params.items(), *request.query_params.items()):
        if _UNSTORABLE.search(str(value)):
            raise _unstorable(name)
    body = await request.body()
    if b"\\u" not in body and b"\0" not in body:
        return
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return  # said by who reads it
    if _UNSTORABLE.search(text) or "\\u0000" in text:
        raise _unstorable("body")


def _unstorable(name: str) -> BadInput:
    return BadInput(f"{name} holds NUL, or half of a character", field=name, hint="take it out")


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    """Yield the names that a route and everything it depends on read from the query."""
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _query_parameters(each)
