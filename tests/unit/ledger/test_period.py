"""A period means the same wherever it can be named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from autopack.ledger.period import Period, parse_period
from autopack.model.errors import BadInput

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, Period()),
        ("2026-03-10", "2026-03-10", Period(MIDNIGHT, MIDNIGHT + DAY, date(2026, 3, 10))),
        ("20260310", "2026-W11-2", Period(MIDNIGHT, MIDNIGHT + DAY, date(2026, 3, 10))),
        (" 2026-03-10 ", None, Period(MIDNIGHT)),
        # a moment is no day
        (None, "2026-03-10T12:00", Period(None, NOW, date(2026, 3, 10))),
        ("2d", "1d", Period(NOW - 2 * DAY, NOW - DAY, date(2026, 3, 9))),
        ("7d", "2026-03-10", Period(NOW - 7 * DAY, MIDNIGHT + DAY, date(2026, 3, 10))),
        (None, "9999-12-31", Period(None, datetime.max.replace(tzinfo=UTC), date(9999, 12, 31))),
    ],
)
def test_a_named_day_is_included_at_both_ends(
    since: str | None, until: str | None, found: Period
) -> None:
    assert parse_period(since, until, NOW) == found


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-03-11", "2026-03-10"), ("1d", "2d"), ("2026-03-10T12:00", "2026-03-10T11:59")],
)
def test_an_end_before_the_beginning_is_refused(since: str, until: str) -> None:
    with pytest.raises(BadInput, match="is after --until") as refused:
        parse_period(since, until, NOW, prefix="--")
    assert refused.value.field == "--since"


@pytest.mark.parametrize("command", ["metrics", "usage", "replay"])
def test_every_command_refuses_it(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from deployments.cli import run_command

    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'autopack.db'}")
    assert run_command([command, "--since", "2026-03-11", "--until", "2026-03-10"]) == 2
    assert "2026-03-11 is after" in capsys.readouterr().err
