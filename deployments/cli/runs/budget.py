"""`autopack budget`: the caps of a campaign, which several runs share."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from autopack.ledger.budget.budget_tree import campaign_level, set_campaign
from autopack.model.budget import UNITS, Limits, Resource, check_cap
from autopack.model.cap_period import Period
from autopack.model.errors import BadInput
from autopack.model.ids import check_id
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.views.budget_view import level_view
from deployments.cli.shared.output import AsJson, note, print_budget, print_json

Campaign = Annotated[str, Parameter(help="A name, as `autopack run --campaign` takes it.")]


def set_(
    campaign: Campaign,
    *,
    tokens: Annotated[int | None, Parameter(help="The most tokens of all its runs.")] = None,
    cost: Annotated[Decimal | None, Parameter(help="The most US dollars.")] = None,
    minutes: Annotated[float | None, Parameter(help="The most minutes of work.")] = None,
    per: Annotated[
        Literal["day", "month"] | None,
        Parameter(help="The caps are for each day or month (UTC); default: for all time."),
    ] = None,
    none: Annotated[bool, Parameter(negative="", help="Lift all caps.")] = False,
    as_json: AsJson = False,
) -> int:
    """Set the caps of a campaign; those not given are lifted."""
    caps = {"tokens": tokens, "cost": cost, "minutes": minutes}
    is_capped = any(cap is not None for cap in caps.values())
    if per is not None and minutes is not None:
        raise BadInput(
            f"minutes are not capped per {per}", field="minutes", hint="cap tokens or money"
        )
    if per is not None and tokens is None and cost is None:
        raise BadInput(f"nothing is capped per {per}", field="per", hint="name --tokens or --cost")
    if none and is_capped:
        raise BadInput("--none lifts all caps", field="none", hint="give caps, or --none")
    if not none and not is_capped:
        raise BadInput(
            "no cap is given",
            field="tokens",
            hint="give --tokens, --cost or --minutes, or --none to lift all caps",
        )
    check_id(campaign, "campaign")
    for name, cap in caps.items():
        if cap is not None:
            check_cap(cap, name)
    db = Database.open(Settings.from_environment().database_url)
    limits = Limits(tokens, cost, minutes)
    before = set_campaign(db, campaign, limits, None if per is None else Period(per))
    for name, cap in vars(before).items():
        if cap is not None and caps[name] is None:
            note(f"lifted the cap of {cap:,} {UNITS[Resource(name)]}")
    return _show(db, campaign, as_json)


def show(campaign: Campaign, *, as_json: AsJson = False) -> int:
    """Show what a campaign spent.

    Its caps, and what its runs hold.
    """
    return _show(Database.open(Settings.from_environment().database_url), campaign, as_json)


def _show(db: Database, campaign: str, as_json: bool) -> int:
    view: dict[str, Any] = level_view(campaign_level(db, campaign))
    print_json(view) if as_json else print_budget([view])
    return 0
