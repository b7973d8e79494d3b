"""`autopack health`: is everything that a run needs in place?"""

from __future__ import annotations

from typing import Any

from autopack.views.pause_view import pause_lines
from deployments.cli.shared.output import AsJson, out, print_json
from deployments.cli.shared.terminal import styled
from deployments.examining import examine


def health(*, as_json: AsJson = False) -> int:
    """Check this installation.

    The database, Prefect and the kill switches; exit code 1 when unhealthy.
    """
    answer = examine()
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    return 1 if answer["status"] == "unhealthy" else 0


def _print(answer: dict[str, Any]) -> None:
    style = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}[answer["status"]]
    out.print(styled(answer["status"], style), f" autopack {answer['version']}")
    database, prefect = answer["database"], answer["prefect"]
    if "error" in database:
        out.print(f"database  {database['error']}")
        out.print(f"          {database['hint'] or ''}")
    else:
        out.print(
            f"database  {database['url_masked']}  schema {database['schema']}"
            f"  identity {database['identity']}"
        )
    where = prefect["url"] or "started when a command needs it"
    reach = " (not reachable)" if prefect["reachable"] is False else ""
    out.print(f"prefect   {where}{reach}")
    server = answer["server"]
    if server["running"]:
        ends = f", ends at {server['ends_at']} unless used" if server["ends_at"] else ""
        by = f"{server['started_by']}, pid {server['pid']}"
        out.print(f"server    {server['api_url']}  ({by}) since {server['since']}{ends}")
        warm = "start at once" if server["warm_commands"] else "load what they need themselves"
        because = f": {server['not_warm_because']}" if server["not_warm_because"] else ""
        out.print(f"commands  {warm}{because}")
    for text in prefect["advice"]:
        out.print(f"          {text}")
    for one in answer["circuits"]:
        refused = f", {one['refused']:,} calls refused" if one["refused"] else ""
        out.print(f"circuit   {one['name']}  {one['state']}{refused}")
    for line in pause_lines(answer["pauses"] or ()):
        out.print(f"paused    {line}")
    home = answer["home"]
    for one in home["set_aside"]:
        out.print(f"set aside {one['path']}: {one['reason']}")
    if home["of_other_databases"]:
        out.print(f"not used  {len(home['of_other_databases']):,} folders of other databases")
    if answer["sandbox"] is not None:
        out.print(f"sandbox   {answer['sandbox']}")
    forced = [name for name, off in answer["kill_switches"].items() if off]
    out.print(f"switched off by environment: {', '.join(forced) or 'nothing'}")
