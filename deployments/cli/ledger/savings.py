"""`autopack metrics --savings`: what each pattern saves, by the phases that were held out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from autopack.ledger.period import parse_moment
from autopack.mining.savings.savings import as_json as saving_as_json
from autopack.mining.savings.savings import savings
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.shared.output import out, plain_table, print_json


def show_savings(since: str | None, *, as_json: bool) -> int:
    """Print what patterns save. Raises BadInput naming ``since``."""
    moment = None if since is None else parse_moment(since, datetime.now(UTC), "--since")
    db = Database.open(Settings.from_environment().database_url)
    rows = [saving_as_json(one) for one in savings(db, moment)]
    if as_json:
        print_json({"since": moment and moment.isoformat(), "patterns": rows})
        return 0
    if not rows:
        out.print("no phase was held out; turn it on with policy: {holdout: 0.1} in a plan")
        return 0
    table = plain_table(
        "pattern",
        "treated",
        "held out",
        "tokens",
        "held out",
        "ratio",
        "95% interval",
        "success",
        "measured/modelled",
        right=("treated", "held out", "tokens"),
    )
    for row in rows:
        table.add_row(
            f"{row['pattern_id']} v{row['version']}",
            f"{row['n_treated']:,}",
            f"{row['n_held_out']:,}",
            _figure(row["tokens"]["treated"], "{:,.0f}"),
            _figure(row["tokens"]["held_out"], "{:,.0f}"),
            _figure(row["ratio"], "{:.2f}"),
            _interval(row["ci"]),
            _figure(row["success"]["difference"], "{:+.0%}"),
            _figure(row["calibration"], "{:.2f}"),
        )
    out.print(table)
    out.print(
        "ratio: tokens of treated phases over those held out, below 1 is a saving; the interval"
        " holds however often one looks"
    )
    return 0


def _figure(value: float | None, how: str) -> str:
    return "unknown" if value is None else how.format(value)


def _interval(bounds: dict[str, Any]) -> str:
    if bounds["lo"] is None or bounds["hi"] is None:
        return "unknown"
    return f"{bounds['lo']:.2f} to {bounds['hi']:.2f}"
