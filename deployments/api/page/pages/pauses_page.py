"""Pauses of more than one run: of a builder, of a provider, of everything."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from autopack.access.scopes import Scope
from autopack.model.errors import BadInput
from deployments.api.page.rendering import at
from deployments.api.page.visitors import Posted, PostedOf
from deployments.api.routes import orders
from deployments.api.routes.orders import Many, PauseOfMany

router = APIRouter(prefix="/pauses")


@router.post("/set")
def pause(form: PostedOf) -> Response:
    """Keep builds from starting, of whatever run."""
    form.visitor.who.needs(Scope.RUN)
    form.only("kind", "name", "note", "now")
    wanted = PauseOfMany(**_named(form), note=form.note, now=form.text("now") == "true")
    done = orders.pause_many(wanted, form.visitor.who, form.service, form.change)
    return _back("pause" if done["changed"] else "nothing")


@router.post("/lift")
def lift(form: PostedOf) -> Response:
    """Lift a pause, and no other."""
    form.visitor.who.needs(Scope.RUN)
    form.only("kind", "name")
    done = orders.resume_many(Many(**_named(form)), form.visitor.who, form.service, form.change)
    return _back("resume" if done["changed"] else "nothing")


def _named(form: Posted) -> dict[str, Any]:
    """Return what is meant as the API names it. Raises BadInput."""
    kind, name = form.text("kind"), form.text("name")
    if kind == "all":
        return {"all": True}
    if kind not in ("builder", "provider") or name is None or len(name) > 64:
        raise BadInput(
            "name a builder or a provider", field="name", hint="such as codex, or anthropic"
        )
    return {kind: name}


def _back(done: str) -> Response:
    return RedirectResponse(f"{at('')}?done={done}", 303)
