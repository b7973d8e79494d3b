"""What a campaign would do: its runs, its lanes and what it may cost, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autopack.campaigns.lanes import (
    Campaign,
    Lane,
    check_campaign,
    check_switches,
    find_campaign,
    find_limits,
    replays_of,
    would_not_differ,
)
from autopack.campaigns.remotes import check_remotes
from autopack.campaigns.replayable import LeftOut, find_lost
from autopack.campaigns.select import Selection, select_runs
from autopack.model.budget import check_cap
from autopack.model.errors import Refused
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.rows import RunRow


@dataclass(frozen=True)
class PlannedCampaign:
    """``originals`` are replayed; those ``left_out`` are of the campaign, but cannot be.

    ``most_tokens`` is what all replays may spend together, ``token_cap`` the cap to set for that,
    None where the campaign keeps the one it has. ``remotes`` says by repository where its replays
    are pushed to.
    """

    campaign: Campaign
    originals: tuple[RunRow, ...]
    left_out: tuple[LeftOut, ...]
    most_tokens: int
    token_cap: int | None
    remotes: Mapping[str, str]

    @property
    def without(self) -> frozenset[str]:
        """The ids of the originals that are omitted."""
        return frozenset(one.run_id for one in self.left_out)

    def as_json(self) -> dict[str, Any]:
        """Return what a dry run answers."""
        return {
            "campaign": self.campaign.campaign_id,
            "dry_run": True,
            "lanes": [lane.value for lane in self.campaign.lanes],
            "reserved_tokens": self.most_tokens,
            "time_zone": "UTC",
            "push": sorted(set(self.remotes.values())),
            "runs": [
                {"run_id": run.run_id, "state": run.state.value, "goal": run.goal}
                for run in self.originals
            ],
            "left_out": [one.model_dump() for one in self.left_out],
        }


@dataclass(frozen=True)
class ReplayRequest:
    """What `autopack replay` was asked for: which runs, with which features, and what it may cost.

    ``token_cap`` defaults to the cap that the campaign has, else to the sum of the replays' own;
    without ``push`` they are pushed nowhere.
    """

    state: str = "FAILED"
    since: str | None = None
    until: str | None = None
    run_ids: Sequence[str] = ()
    campaign: str | None = None
    enable: Sequence[str] = ()
    disable: Sequence[str] = ()
    baseline: bool = True
    token_cap: int | None = None
    push: str | None = None


def plan_campaign(
    db: Database, name: str, asked: ReplayRequest, *, now: datetime, home: Path
) -> PlannedCampaign:
    """Choose the runs of a campaign; one that is resumed keeps what it began with.

    Then run ids, features and ``baseline=False`` need not be named, and have to agree where they
    are; times and states chose its runs when it began. Raises what selecting raises, BadInput
    naming the field at fault, and Refused when none of the runs can be replayed.
    """
    run_ids, enable, disable = asked.run_ids, asked.enable, asked.disable
    token_cap, push = asked.token_cap, asked.push
    if token_cap is not None:
        check_cap(token_cap, "token_cap")
    check_switches(enable)
    earlier = find_campaign(db, name)
    if earlier is not None:
        earlier.check_same(run_ids=run_ids, enable=enable, disable=disable, baseline=asked.baseline)
    selection = Selection.parse(
        state=asked.state,
        since=asked.since,
        until=asked.until,
        run_ids=run_ids if earlier is None else earlier.run_ids,
        campaign=asked.campaign,
        now=now,
    )
    chosen = select_runs(db, selection)
    wanted = earlier or Campaign(
        campaign_id=name,
        run_ids=tuple(run.run_id for run in chosen),
        enable=tuple(sorted(set(enable))),
        disable=tuple(sorted(set(disable))),
        has_baseline=asked.baseline,
    )
    replays = replays_of(db, name)
    pushed = push is not None or any(replay.push for replay in replays.values())
    not_begun = _not_begun(wanted, chosen, replays)
    left_out = find_lost(db, not_begun, home=home, pushed=pushed)
    originals = _without(left_out, chosen)
    if earlier is None:
        check_campaign(wanted, originals)
    alike = _alike(wanted, [one for one in not_begun if one in originals])
    left_out = (*left_out, *alike)
    originals = _without(left_out, chosen)
    remotes = check_remotes(db, wanted, originals, push, home=home)
    limits = find_limits(db, name)
    sum_of_caps = sum(original.token_cap for original in originals) * len(wanted.lanes)
    return PlannedCampaign(
        campaign=wanted,
        originals=originals,
        left_out=left_out,
        most_tokens=token_cap or (limits and limits.tokens) or sum_of_caps,
        token_cap=token_cap or (sum_of_caps if limits is None else None),
        remotes=remotes,
    )


def _not_begun(
    campaign: Campaign, chosen: Sequence[RunRow], replays: Mapping[tuple[str, Lane], RunRow]
) -> list[RunRow]:
    """Return the originals of which a replay is yet to begin: what they need has to be there."""
    begun = {key for key, replay in replays.items() if replay.state is not RunState.RUN_CREATED}
    return [
        original
        for original in chosen
        if any((original.run_id, lane) not in begun for lane in campaign.lanes)
    ]


def _alike(campaign: Campaign, originals: Sequence[RunRow]) -> tuple[LeftOut, ...]:
    """Return the originals in which the features asked for would change nothing."""
    if not (campaign.enable or campaign.disable):
        return ()
    wanted = [
        *(f"{name} on" for name in campaign.enable),
        *(f"{name} off" for name in campaign.disable),
    ]
    reason = f"it already had {' and '.join(wanted)}: its candidate would not differ"
    return tuple(
        LeftOut(run_id=original.run_id, reason=reason)
        for original in originals
        if would_not_differ(campaign, original)
    )


def _without(left_out: Sequence[LeftOut], chosen: Sequence[RunRow]) -> tuple[RunRow, ...]:
    """Return the originals that can be replayed. Raises Refused when there is none."""
    lost = {one.run_id for one in left_out}
    originals = tuple(original for original in chosen if original.run_id not in lost)
    if not originals:
        first = left_out[0]
        raise Refused(
            f"no chosen run can be replayed; {first.run_id}: {first.reason}",
            field="run_id",
            hint="put back what is missing, or choose other runs",
        )
    return originals
