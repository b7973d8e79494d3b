"""Tasks of a replay campaign: storing it with its runs, and reporting on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from autopack.campaigns import campaign_report, compare, lanes
from autopack.campaigns.compare import CampaignReport
from autopack.campaigns.planning import PlannedCampaign
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.views.operating.page_links import campaign_address
from tasks.artifacts import artifact_key, publish_markdown, with_page
from tasks.step import step


@step("store replays")
async def store_replays(db: Database, planned: PlannedCampaign) -> list[str]:
    """Register the campaign and store its runs, each once; their ids in the order to run them."""
    campaign = planned.campaign
    await asyncio.to_thread(lanes.register, db, campaign, token_cap=planned.token_cap)
    return await asyncio.to_thread(
        lanes.store_replays, db, campaign, planned.remotes, without=planned.without
    )


@step("report on replays")
async def report_on_replays(
    db: Database, planned: PlannedCampaign, settings: Settings
) -> CampaignReport:
    """Compare the lanes, write the report below the home, and publish it."""
    campaign = planned.campaign
    found = await asyncio.to_thread(compare.compare, db, campaign, left_out=planned.left_out)
    folder: Path = settings.home / "reports" / campaign.campaign_id
    await asyncio.to_thread(campaign_report.write_report, found, folder)
    await publish_markdown(
        with_page(campaign_report.to_markdown(found), campaign_address(campaign.campaign_id)),
        key=artifact_key("replay", campaign.campaign_id),
        description=found.sentence,
    )
    return found
