"""The ASGI application: its routes, what all of them have in common, and its description."""

from __future__ import annotations

from fastapi import Depends, FastAPI, Request
from starlette.responses import RedirectResponse, Response

from autopack import __version__
from deployments.api.bounded import Bounded
from deployments.api.caching import Tagged
from deployments.api.examples import described, example_of_problem
from deployments.api.page.rendering import BASE
from deployments.api.page.site import create_page
from deployments.api.problems import MEDIA_TYPE, PROBLEM_SCHEMA, answer_errors
from deployments.api.routes import (
    accounts,
    actions,
    attempts,
    dashboard,
    events,
    health,
    keys,
    orders,
    runs,
    starting,
    updates,
)
from deployments.api.service import Service
from deployments.api.strictness import known_parameters_only, storable_text_only

_ROUTES = (health, accounts, keys, runs, attempts, events, starting, actions, orders, updates)
ROUTERS = tuple(module.router for module in (*_ROUTES, dashboard))
_ERRORS = {
    400: "What was sent cannot be used; `field` names what is wrong.",
    401: "No key or token, or one that does not hold.",
    403: "The caller lacks the scope that this needs.",
    404: "Nothing of that name exists.",
    409: "The request is sound, the moment is not.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The idempotency key came with another request before.",
    429: "Too many failed sign-ins.",
    500: "Something in Autopack failed; its log says what.",
    503: "The database does not answer.",
}


def create_app(service: Service) -> FastAPI:
    """Return the application over one database."""
    app = FastAPI(
        title="Autopack",
        version=__version__,
        description="Runs, what they spent, and what they wait for.",
        dependencies=[Depends(known_parameters_only), Depends(storable_text_only)],
        responses={
            status: {
                "description": text,
                "content": {
                    MEDIA_TYPE: {"schema": PROBLEM_SCHEMA, "example": example_of_problem(status)}
                },
            }
            for status, text in _ERRORS.items()
        },
        docs_url=None,
        redoc_url=None,
        # Sent elsewhere by whatever a request calls this host, a client would take its key along.
        redirect_slashes=False,
    )
    app.state.service = service
    app.add_middleware(Bounded)
    app.add_middleware(Tagged)
    answer_errors(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount(BASE, create_page(service), "page")
    for path in ("/", BASE):
        app.add_route(path, _to_page, include_in_schema=False)
    described(app)
    return app


async def _to_page(_: Request) -> Response:
    """Send people who name the address alone to the page."""
    return RedirectResponse(f"{BASE}/", 303)
