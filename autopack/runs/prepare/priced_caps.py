"""A cap on money needs prices: those of the models that a run will call are looked up before it."""

from __future__ import annotations

from collections.abc import Iterable

from autopack.agents.crew import Crew
from autopack.agents.model_providers import own_model, split_model
from autopack.model.errors import BadInput
from autopack.model.prices import is_priced
from autopack.plan.plan import DoctorMode

Named = tuple[str, str]
"""A provider and a model."""


def check_prices(crew: Crew, field: str) -> None:
    """Raise BadInput naming ``field`` when money is capped and a call would have no known price.

    What a builder calls without being told is not known before; such a call ends its build.
    """
    reviewing = crew.reviewing()
    for place in (*(one for one, _, _ in crew.everyone()), *([reviewing] if reviewing else ())):
        if not place.builder.tells_usage:
            raise BadInput(
                f"{field} caps money, and builder {place.builder.name} tells no tokens that have a"
                " price",
                field=field,
                hint="name the program's usage format with --set usage=FORMAT, or cap tokens"
                " instead",
            )
    for provider, name in _called(crew):
        if not (is_priced(provider, name) or is_priced(provider, own_model(name))):
            raise BadInput(
                f"{field} caps money, and the price of {name} is not known",
                field=field,
                hint="cap budget.tokens instead, name a model with a known price, or let a person"
                " decide at the first call without one: --at-cap ask",
            )


def _called(crew: Crew) -> Iterable[Named]:
    """Return the models that builders, doctor and reviewer are known to call."""
    plan = crew.plan
    if (reviewing := crew.reviewing()) is not None:
        yield from reviewing.builder.models(plan, reviewing.model)
    for place, seen, _ in crew.everyone():
        yield from place.builder.models(seen, place.model)
    if plan.policy.doctor is DoctorMode.API:
        for name in (plan.models.doctor_cheap, plan.models.doctor_strong):
            if name is not None:
                yield split_model(name)
