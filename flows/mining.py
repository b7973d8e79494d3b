"""Mining the stored errors, to be run on a schedule."""

from typing import Any

from prefect import get_run_logger

from autopack.mining.mine import as_json
from autopack.mining.report import to_markdown
from flows.opening import application
from flows.parameters import DatabaseBlock, Text
from flows.starting import started_flow
from tasks.artifacts import publish_markdown
from tasks.mining import mine_errors


@started_flow("mine-patterns")
async def mine_patterns(
    since: Text = None, min_occurrences: int = 1, database: DatabaseBlock = None
) -> dict[str, Any]:
    """Say what keeps failing that no pattern caught, the costliest first.

    Args:
        since: Only errors from then on, such as 30d or 2026-01-31; all of them when omitted.
        min_occurrences: Only failures that occurred at least so many times.
    """
    async with application(database) as (db, _):
        mined = await mine_errors(db, since, min_occurrences)
    await publish_markdown(
        to_markdown(mined), key="autopack-patterns", description="What keeps failing"
    )
    get_run_logger().info(
        "%s: %d failed attempts that no pattern caught, %d signatures, %d attempts new",
        db.url_masked,
        mined.errors,
        len(mined.signatures),
        mined.found.errors,
    )
    return as_json(mined)
