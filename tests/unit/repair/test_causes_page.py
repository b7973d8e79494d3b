"""The page on failures says what the policy table says."""

from __future__ import annotations

from pathlib import Path

from autopack.model.causes import POLICIES, CausePolicy

PAGE = Path(__file__).parents[3] / "docs/failures.md"


def row(cause: str, policy: CausePolicy) -> str:
    def said(value: bool) -> str:
        return "yes" if value else "no"

    again = "after a wait" if policy.waits else said(policy.retry)
    cells = (again, *map(said, (policy.keeps_work, policy.counts, policy.infrastructure)))
    return f"| `{cause}` | {' | '.join(cells)} | `{policy.ends.value}` |"


def test_the_table_of_causes_is_that_of_the_code() -> None:
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "`DONE_" in line]
    table = [line for line in shown if line.startswith("| `")]
    assert table == [row(cause.value, policy) for cause, policy in POLICIES.items()]
