"""A campaign in the database: what it replays, and its runs, each stored once."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from autopack.ledger.budget.budget_tree import campaign_level, set_campaign
from autopack.model.budget import Limits
from autopack.model.errors import BadInput, NotFound
from autopack.model.features import kill_switches, resolve_features
from autopack.model.ids import check_id
from autopack.plan.plan import Plan
from autopack.settings import process_environment
from autopack.store.database.engine import (
    Database,
    insert_new,
    now,
    reading,
)
from autopack.store.reading import Source, get_plan_body, get_run
from autopack.store.rows import NewRun, RunRow
from autopack.store.runs import create_run
from autopack.store.tables import runs
from autopack.store.tables.campaigns import replay_campaigns


class Lane(StrEnum):
    """``original`` is observed, the others are replayed: with its features, and with others."""

    ORIGINAL = "original"
    BASELINE = "baseline"
    CANDIDATE = "candidate"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """``run_ids`` are the originals. The candidate's features are theirs, changed by the two."""

    campaign_id: str
    run_ids: tuple[str, ...]
    enable: tuple[str, ...]
    disable: tuple[str, ...]
    has_baseline: bool

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Those that are replayed."""
        return (Lane.BASELINE, Lane.CANDIDATE) if self.has_baseline else (Lane.CANDIDATE,)

    def replay_id(self, run_id: str, lane: Lane) -> str:
        """Return what the replay of an original in a lane is called."""
        return f"{self.campaign_id}-{self.run_ids.index(run_id) + 1}-{lane}"

    def check_same(
        self,
        *,
        run_ids: Collection[str],
        enable: Collection[str],
        disable: Collection[str],
        baseline: bool,
    ) -> None:
        """Raise BadInput when something that is named is not as this campaign began."""
        asked = replace(
            self,
            enable=tuple(sorted(set(enable))) or self.enable,
            disable=tuple(sorted(set(disable))) or self.disable,
            has_baseline=self.has_baseline and baseline,
        )
        if asked != self or (run_ids and set(run_ids) != set(self.run_ids)):
            raise _another(self.campaign_id)

    def features(self, original: RunRow, lane: Lane) -> tuple[str, ...]:
        """Return what a replay has on; a kill switch holds for replays too. Raises BadInput."""
        changed = lane is Lane.CANDIDATE
        # Today's defaults say nothing about a run of then; today's switches do.
        wanted = resolve_features(
            plan=original.features,
            enable=self.enable if changed else (),
            disable=self.disable if changed else (),
            environ={},
        )
        off = {
            feature for feature, is_off in kill_switches(process_environment()).items() if is_off
        }
        return tuple(sorted(wanted - off))


def check_campaign(campaign: Campaign, originals: Sequence[RunRow]) -> None:
    """Raise BadInput for an unusable name or an unknown feature, and when nothing would change."""
    check_id(campaign.campaign_id, "campaign")
    check_id(campaign.replay_id(campaign.run_ids[-1], Lane.CANDIDATE), "campaign")
    if campaign.has_baseline and all(would_not_differ(campaign, one) for one in originals):
        raise BadInput(
            "the candidate has the same features as the originals",
            field="enable",
            hint="name a feature that they had not, or use --no-baseline to only run them again",
        )


def check_switches(enable: Collection[str]) -> None:
    """Raise BadInput for a feature that is to be on and is forced off here."""
    for feature, is_off in kill_switches(process_environment()).items():
        if is_off and feature.value in enable:
            raise BadInput(
                f"{feature} is forced off by {feature.variable}",
                field="enable",
                hint=f"unset {feature.variable}, or leave the feature out",
            )


def would_not_differ(campaign: Campaign, original: RunRow) -> bool:
    """Return whether the candidate of a run would have the very features that the run had."""
    lanes = (Lane.BASELINE, Lane.CANDIDATE)
    return len({campaign.features(original, lane) for lane in lanes}) == 1


def register(db: Database, campaign: Campaign, *, token_cap: int | None) -> None:
    """Store the campaign and what its runs may spend together; None leaves that as it is.

    Asking for the same again is harmless. Raises BadInput when another campaign has that name.
    """
    if find_campaign(db, campaign.campaign_id) not in (None, campaign):
        raise _another(campaign.campaign_id)
    # First, so that a process that dies in between leaves no campaign without its cap.
    if token_cap is not None:
        limits = find_limits(db, campaign.campaign_id) or Limits()
        set_campaign(db, campaign.campaign_id, replace(limits, tokens=token_cap))
    values = {
        "campaign_id": campaign.campaign_id,
        "run_ids": list(campaign.run_ids),
        "enable": list(campaign.enable),
        "disable": list(campaign.disable),
        "has_baseline": campaign.has_baseline,
    }

    def write(conn: sa.Connection) -> Campaign | None:
        conn.execute(insert_new(conn, replay_campaigns).values(**values, created_at=now(conn)))
        return find_campaign(conn, campaign.campaign_id)

    if db.transact(write) != campaign:
        raise _another(campaign.campaign_id)


def _another(campaign_id: str) -> BadInput:
    return BadInput(
        f"{campaign_id} is another campaign",
        field="campaign",
        hint="choose another name, or ask for the same runs and features to resume it",
    )


def find_limits(source: Source, campaign_id: str) -> Limits | None:
    """Return what the runs of a campaign may spend together, or None when nobody has said
    that yet.
    """
    try:
        return campaign_level(source, campaign_id).limits
    except NotFound:
        return None


def find_campaign(source: Source, campaign_id: str) -> Campaign | None:
    """Return a stored campaign, or None when there is none of that name."""
    table = replay_campaigns
    with reading(source) as conn:
        row = conn.execute(sa.select(table).where(table.c.campaign_id == campaign_id)).first()
    if row is None:
        return None
    return Campaign(
        campaign_id=row.campaign_id,
        run_ids=tuple(row.run_ids),
        enable=tuple(row.enable),
        disable=tuple(row.disable),
        has_baseline=row.has_baseline,
    )


def store_replays(
    db: Database,
    campaign: Campaign,
    remotes: Mapping[str, str],
    *,
    without: Collection[str] = (),
) -> list[str]:
    """Store every replay that is not stored yet; the ids of all, in the order to run them.

    ``remotes`` says by repository where its replays are pushed to, ``without`` which originals
    are omitted.

    The lanes of an original follow each other in random order, the same in every attempt, so
    that neither lane always meets the warmer cache or the later hour.
    """
    dice = random.Random(campaign.campaign_id)  # noqa: S311
    found: list[str] = []
    for run_id in campaign.run_ids:
        lanes = dice.sample(campaign.lanes, len(campaign.lanes))
        if run_id in without:
            continue
        original = get_run(db, run_id)
        push = remotes.get(original.repo)
        found += [_store(db, campaign, original, lane, push) for lane in lanes]
    return found


def _store(db: Database, campaign: Campaign, original: RunRow, lane: Lane, push: str | None) -> str:
    run_id = campaign.replay_id(original.run_id, lane)
    body = get_plan_body(db, original.plan_hash)
    plan = Plan.from_json(json.dumps(body))
    create_run(
        db,
        NewRun(
            run_id=run_id,
            plan_hash=original.plan_hash,
            plan_body=body,
            goal=original.goal,
            repo=original.repo,
            base_commit=original.base_commit,
            branch=f"autopack/{run_id}",
            builder=original.builder,
            builder_options=original.builder_options,
            model=original.model,
            models=original.models,
            features=campaign.features(original, lane),
            token_cap=original.token_cap,
            cost_cap=original.cost_cap,
            minutes_cap=original.minutes_cap,
            at_cap=original.at_cap,
            campaign_id=campaign.campaign_id,
            prompt=original.prompt,
            push=push,
            replay_of=original.run_id,
            lane=lane.value,
        ),
        phases=[(phase.id, phase.tier) for phase in plan.ordered()],
    )
    return run_id


def replays_of(source: Source, campaign_id: str) -> dict[tuple[str, Lane], RunRow]:
    """The campaign's runs by original and lane."""
    query = sa.select(runs).where(runs.c.campaign_id == campaign_id, runs.c.lane.is_not(None))
    with reading(source) as conn:
        found = [RunRow.of(row) for row in conn.execute(query).mappings()]
    return {(run.replay_of or "", Lane(run.lane or "")): run for run in found}
