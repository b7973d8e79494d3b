"""What a campaign would do: its runs, its lanes and what it may cost, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autopack.campaigns.lanes import Campaign, check_campaign, find_campaign
from autopack.campaigns.remotes import check_remotes
from autopack.campaigns.select import Selection, select_runs
from autopack.errors import BadInput
from autopack.store.engine import Database
from autopack.store.rows import RunRow


@dataclass(frozen=True)
class PlannedCampaign:
    """``token_cap`` is the budget that all replays share.

    ``remotes`` says by repository where its replays are pushed to.
    """

    campaign: Campaign
    originals: tuple[RunRow, ...]
    token_cap: int
    remotes: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """What a dry run answers."""
        return {
            "campaign": self.campaign.campaign_id,
            "dry_run": True,
            "lanes": [lane.value for lane in self.campaign.lanes],
            "reserved_tokens": self.token_cap,
            "time_zone": "UTC",
            "push": sorted(set(self.remotes.values())),
            "runs": [
                {"run_id": run.run_id, "state": run.state.value, "goal": run.goal}
                for run in self.originals
            ],
        }


def plan_campaign(
    db: Database,
    name: str,
    *,
    state: str,
    since: str | None,
    until: str | None,
    run_ids: Sequence[str],
    campaign: str | None,
    enable: Sequence[str],
    disable: Sequence[str],
    baseline: bool,
    token_cap: int | None,
    push: str | None,
    now: datetime,
    home: Path,
) -> PlannedCampaign:
    """Choose the runs of a campaign; one that goes on keeps those it began with.

    ``token_cap`` defaults to the sum of the replays' own caps; without ``push`` they are pushed
    nowhere. Raises what selecting raises, and BadInput naming the field at fault.
    """
    if token_cap is not None and token_cap < 1:
        raise BadInput(f"the token cap is {token_cap}", field="token_cap", hint="use 1 or more")
    earlier = find_campaign(db, name)
    selection = Selection.parse(
        state=state,
        since=since,
        until=until,
        run_ids=run_ids if earlier is None else earlier.run_ids,
        campaign=campaign,
        now=now,
    )
    originals = select_runs(db, selection)
    wanted = Campaign(
        campaign_id=name,
        run_ids=tuple(run.run_id for run in originals),
        enable=tuple(sorted(set(enable))),
        disable=tuple(sorted(set(disable))),
        has_baseline=baseline,
    )
    most = check_campaign(wanted, originals)
    remotes = check_remotes(db, wanted, originals, push, home=home)
    return PlannedCampaign(wanted, tuple(originals), token_cap or most, remotes)
