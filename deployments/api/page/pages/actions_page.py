"""What is done to a run from the page: the same as by the API, with the same audit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from autopack.access.scopes import Scope
from autopack.model.budget import Resource
from autopack.model.errors import AutopackError, BadInput, Refused
from autopack.store.approvals import Approval as Question
from autopack.store.approvals import pending
from autopack.store.reading import get_run
from deployments.api.page.pages.run_page import show
from deployments.api.page.rendering import at
from deployments.api.page.visitors import Posted, PostedOf
from deployments.api.routes import actions, orders
from deployments.api.routes.actions import Approval, Rejection
from deployments.api.routes.orders import NewCaps, PauseOfRun

router = APIRouter(prefix="/runs/{run_id}")


@router.post("/approve")
def approve(run_id: str, form: PostedOf) -> Response:
    """Say yes to the question that was shown."""

    def act() -> dict[str, Any]:
        form.only("question", "note", "cap")
        question = _shown_question(run_id, form)
        wanted = Approval(note=form.note, **_cap(question, form.text("cap")))
        return actions.approve(run_id, wanted, form.visitor.who, form.service, form.change)

    return _carry_out(run_id, form, Scope.APPROVE, "approve", act)


@router.post("/reject")
def reject(run_id: str, form: PostedOf) -> Response:
    """Say no to the question that was shown."""

    def act() -> dict[str, Any]:
        form.only("question", "note")
        _shown_question(run_id, form)
        wanted = Rejection(note=form.note)
        return actions.reject(run_id, wanted, form.visitor.who, form.service, form.change)

    return _carry_out(run_id, form, Scope.APPROVE, "reject", act)


@router.post("/cancel")
def cancel(run_id: str, form: PostedOf) -> Response:
    """End the run."""

    def act() -> dict[str, Any]:
        form.only()
        return actions.cancel(run_id, form.visitor.who, form.service, form.change)

    return _carry_out(run_id, form, Scope.RUN, "cancel", act)


@router.post("/pause")
def pause(run_id: str, form: PostedOf) -> Response:
    """Keep builds of the run from starting."""

    def act() -> dict[str, Any]:
        form.only("note", "now")
        wanted = PauseOfRun(note=form.note, now=form.text("now") == "true")
        return orders.pause_run(run_id, wanted, form.visitor.who, form.service, form.change)

    return _carry_out(run_id, form, Scope.RUN, "pause", act)


@router.post("/resume")
def resume(run_id: str, form: PostedOf) -> Response:
    """Lift the pause of the run, and no other."""

    def act() -> dict[str, Any]:
        form.only()
        return orders.resume_run(run_id, form.visitor.who, form.service, form.change)

    return _carry_out(run_id, form, Scope.RUN, "resume", act)


@router.post("/caps")
def caps(run_id: str, form: PostedOf) -> Response:
    """Raise or lower caps; a field that is left empty changes nothing."""

    def act() -> dict[str, Any]:
        form.only(*_CAPS.values())
        wanted: dict[str, Any] = {
            name: amount(text, name, whole=resource is Resource.TOKENS)
            for resource, name in _CAPS.items()
            if (text := form.text(name)) is not None
        }
        return orders.caps(run_id, NewCaps(**wanted), form.visitor.who, form.service, form.change)

    return _carry_out(run_id, form, Scope.RUN, "caps", act)


def _carry_out(
    run_id: str, form: Posted, scope: Scope, said: str, act: Callable[[], dict[str, Any]]
) -> Response:
    """Do it and show the run again: what was done, or above the run why it was not."""
    form.visitor.who.needs(scope)
    get_run(form.service.db, run_id)
    try:
        done = said if act()["changed"] else "nothing"
    except AutopackError as problem:
        return show(run_id, form.visitor, form.service, problem=problem)
    return RedirectResponse(f"{at('runs', run_id)}?done={done}", 303)


def _shown_question(run_id: str, form: Posted) -> Question:
    """Return the run's question. Raises Refused when it is not the one that the form was about."""
    question = pending(form.service.db, run_id)
    if question is None:
        raise Refused("this run waits for no answer any more", field="question")
    if str(question.id) != form.text("question"):
        raise Refused(
            "this run asks something else by now", field="question", hint="read it, then answer"
        )
    return question


_CAPS = {
    Resource.TOKENS: "token_cap",
    Resource.COST: "cost_cap",
    Resource.MINUTES: "minutes_cap",
}


def _cap(question: Question, text: str | None) -> dict[str, Any]:
    """Return the cap as an approval names it."""
    if text is None or question.resource is None:
        return {}
    return {
        _CAPS[question.resource]: amount(text, "cap", whole=question.resource is Resource.TOKENS)
    }


def amount(text: str, field: str, *, whole: bool) -> Decimal | int:
    """Return a number as people type it, thousands apart. Raises BadInput naming ``field``."""
    try:
        value = Decimal(text.replace(",", "").replace("_", "").replace(" ", "").removeprefix("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0 or value >= 10**15:
        raise BadInput(f"{text[:40]!r} is no amount", field=field, hint="write a number")
    if whole and value != value.to_integral_value():
        raise BadInput(f"{text[:40]!r} is no whole number", field=field, hint="write a whole one")
    return int(value) if whole else value
