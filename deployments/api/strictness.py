"""What a request may say: a query parameter that a route does not know is an error, not ignored."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from autopack.model.errors import BadInput


def known_parameters_only(request: Request) -> None:
    """Raise BadInput naming the first query parameter that this route does not declare."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = sorted(set(_query_parameters(route.dependant)))
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise BadInput(
            f"unknown query parameter: {unknown}",
            field=unknown,
            hint=f"this route takes {', '.join(known) or 'none'}",
        )


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    """Yield the names that a route and everything it depends on read from the query."""
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _query_parameters(each)
