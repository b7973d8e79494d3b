"""Where the replays of a campaign are pushed to: nowhere, unless that is asked for.

That an original was pushed says nothing about its replays: they are trials, two of each, and
others who share the remote would find their branches there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autopack.campaigns.lanes import Campaign, replays_of
from autopack.model.errors import BadInput
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.rows import RunRow
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository


def check_remotes(
    db: Database, campaign: Campaign, originals: Sequence[RunRow], push: str | None, *, home: Path
) -> dict[str, str]:
    """Return the remote of each repository that is replayed, by its location; empty for none.

    ``push`` is a remote's name in each of them, a folder or a URL, and takes pushes now. Replays
    that are stored keep what they have, and go on also while it does not answer. Raises BadInput
    naming ``push``, and RepositoryError.
    """
    stored = {run.repo: run.push for run in replays_of(db, campaign.campaign_id).values()}
    if push is None:
        return {repo: name for repo, name in stored.items() if name is not None}
    found: dict[str, str] = {}
    for original in originals:
        if original.repo in found:
            continue
        source = SourceRepository.open(original.repo)
        if original.repo in stored:
            remote = _kept(stored[original.repo], Remote.named(push, source), campaign)
        else:
            run_id = campaign.replay_id(original.run_id, campaign.lanes[0])
            remote = Remote.checked(
                push,
                source,
                original.base_commit,
                home=home,
                run_id=run_id,
                name_here=find_folder(home, db, run_id).name,
            )
        found[original.repo] = remote.name
    return found


def _kept(kept: str | None, wanted: Remote, campaign: Campaign) -> Remote:
    """Return the remote of replays that are stored already, which is not changed."""
    if wanted.name != kept:
        where = "nowhere" if kept is None else f"to {kept}"
        raise BadInput(
            f"the replays of {campaign.campaign_id} were stored to be pushed {where}",
            field="push",
            hint="resume without it, or choose another name for the campaign",
        )
    return wanted
