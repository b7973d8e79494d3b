"""Every page, report and table shows what agents and plans wrote as text: none is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autopack.campaigns import campaign_report as campaigns
from autopack.campaigns.compare import CampaignReport, Effect, Item, LaneSummary, Replayed
from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.recorded.ends import End, Outcome
from autopack.experiments.report.markdown import self_contained
from autopack.experiments.report.write_report import to_html
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.mining.mine import Mined
from autopack.mining.report import to_markdown as mined_markdown
from autopack.mining.stored.recurring import EndedBy, Recurring
from autopack.mining.stored.sign_errors import Found
from autopack.model.states import RunState
from autopack.views.fleet_result import FleetItem
from autopack.views.fleet_standing import Standing
from autopack.views.research_text import report_markdown
from tasks.reporting import summary_markdown
from tasks.watching import fleet_markdown

ROOT = Path(__file__).parent.parent.parent
EVIL = (
    "x ![](http://127.0.0.1:9/track.png) <img src=http://127.0.0.1:9/x onerror=alert(1)> "
    "<script>alert(1)</script> [click](javascript:alert(1))\n# fake heading\n| a | b |\u202e"
)


@cache
def sources() -> list[tuple[str, list[ast.AST]]]:
    """What each module imports and which attributes it uses."""
    kinds = ast.Import | ast.ImportFrom | ast.Attribute
    return [
        (
            path.name,
            [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)],
        )
        for layer in ("autopack", "blocks", "tasks", "flows", "deployments")
        for path in sorted((ROOT / layer).rglob("*.py"))
    ]


def users_of(wanted: Callable[[ast.AST], bool]) -> set[str]:
    return {name for name, nodes in sources() if any(map(wanted, nodes))}


def imports(module: str, *names: str) -> Callable[[ast.AST], bool]:
    def found(node: ast.AST) -> bool:
        if isinstance(node, ast.Import):
            return any(alias.name == module for alias in node.names)
        if not isinstance(node, ast.ImportFrom) or node.module != module:
            return False
        return not names or any(alias.name in names for alias in node.names)

    return found


def uses(*attributes: str) -> Callable[[ast.AST], bool]:
    return lambda node: isinstance(node, ast.Attribute) and node.attr in attributes


def test_one_module_makes_artifacts() -> None:
    assert users_of(imports("prefect.artifacts")) == {"artifacts.py"}
    changes = imports("prefect.client.schemas.actions", "ArtifactUpdate", "ArtifactCreate")
    assert users_of(changes) == {"artifacts.py"}


def test_one_module_writes_comma_separated_values_and_html() -> None:
    readers = {"importing.py", "pairs_csv.py", "earlier_csv.py", "installed.py"}
    assert users_of(imports("csv")) - readers == {"escaping.py"}
    assert users_of(uses("to_csv", "DictWriter")) == set()
    assert users_of(imports("html")) - {"spellings.py"} == {"escaping.py"}


def summary() -> str:
    figures = dict.fromkeys(("total", "input", "cache_read", "cache_write", "output", "unsplit"), 1)
    phase = {
        "phase_id": "p",
        "state": "FAILED",
        "attempts": 1,
        "tokens": 1,
        "unknown_builds": 0,
        "commit": None,
        "failure": {"message": EVIL},
        "left_out": [{"path": EVIL, "kind": "ignored"}],
        "changed_tests": [{"path": EVIL, "attempt": 1}],
        "reviews": [
            {
                "reviewer": "api",
                "model": EVIL,
                "round": 1,
                "attempt": 1,
                "verdict": "reject",
                "why": EVIL,
            }
        ],
    }
    run = {
        "goal": f"g {EVIL}",
        "state": "DONE_FAILED",
        "failure_reason": EVIL,
        "run_id": "r",
        "repo": f"/r{EVIL}",
        "branch": "b",
        "builder": "c",
        "cost": None,
        "cost_known": None,
        "calls": 1,
        "simulated_calls": 0,
        "phases": [phase],
        "tokens": {**figures, "unknown_builds": 0},
    }
    return summary_markdown(run, where=EVIL)


def fleet() -> str:
    standing = Standing(
        run_id="r",
        state=RunState.AWAITING_APPROVAL,
        flow_run_id="f",
        phases=1,
        completed=0,
        phase=EVIL,
        since=datetime(2026, 1, 1, tzinfo=UTC),
        question=EVIL,
        failure_reason=EVIL,
        silent_since=None,
        interrupted=False,
        tokens=1,
        unknown_builds=0,
        cost=None,
    )
    refused = FleetItem(run_id="r2", success=False, state=None, error=EVIL)
    return fleet_markdown([standing], [refused], lambda _: "http://127.0.0.1:4200/runs/flow-run/f")


def campaign() -> CampaignReport:
    run = Replayed(
        run_id="r",
        state="DONE_FAILED",
        end=End.FAILED,
        outcome=Outcome.FAILURE,
        success=False,
        tokens=1,
    )
    lane = LaneSummary(runs=1, outcomes=1, successes=0, success_rate=0.0, tokens=1)
    item = Item(replay_of="r", plan="p", goal=EVIL, original=run, baseline=None, candidate=run)
    return CampaignReport(
        campaign="c",
        sentence=EVIL,
        enabled=[],
        disabled=[],
        lanes={EVIL: lane},
        effect=None,
        naive=Effect(diff=0.0),
        regression_to_the_mean=None,
        notes=[EVIL],
        still_failing=[],
        items=[item],
        analysis=None,
    )


def analysis() -> Analysis:
    row = {"control_success": True, "treatment_success": True, "plan": EVIL}
    tokens = {"control_tokens": 1000, "treatment_tokens": 500}
    table = table_of([{"pair": f"{EVIL} {n}", **row, **tokens} for n in range(3)])
    return analyse(table, AnalysisProtocol(), test_id=EVIL)


def mining() -> str:
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    failure = Recurring(
        signature="0" * 64,
        family="f",
        type=EVIL,
        normalised=EVIL,
        exception=EVIL,
        known_pattern=None,
        count=1,
        runs=1,
        phases=1,
        tokens=1,
        cost=None,
        cost_known=None,
        unpriced_calls=1,
        samples=(EVIL,),
        first_seen=seen,
        last_seen=seen,
        ended_by=EndedBy(0, 1, {EVIL: 1}, {EVIL: 1}, 0),
    )
    return mined_markdown(Mined(None, 1, Found(1, 1), (failure,)))


def research() -> str:
    sentence = {
        "text": EVIL,
        "kind": "quoted",
        "citation": 1,
        "locator": f"url:{EVIL}",
        "excerpt": f"``` {EVIL}",
        "quality": "low",
        "follows_from": [],
    }
    finding = {
        "question": 1,
        "text": EVIL,
        "known_from": EVIL,
        "sentences": [sentence, sentence | {"kind": "unverified", "excerpt": None}],
        "contradictions": [{"between": [1, 1], "about": EVIL}],
    }
    report = {
        "report_id": "r.research",
        "commit": "0" * 40,
        "generated_at": "2026-01-01T00:00:00Z",
        "notes": [EVIL],
        "evidence": [{}],
        "findings": [finding],
        "unverified": 1,
        "missing": [{"question": 1, "what": EVIL}],
        "rejected": [{"question": 1, "claim": EVIL, "reasons": [{"sentence": EVIL}]}],
        "evidence_requests": [{"request": EVIL, "answer": EVIL, "answered_by": EVIL}],
        "sources": [
            {
                "source_id": f"command:{EVIL}",
                "status": "failed",
                "passages": 0,
                "failures": [{"kind": "died", "message": EVIL}],
            }
        ],
        "spent": {"total": 0, "calls": 0, "cost": None, "by_category": {}},
    }
    return report_markdown(report)


PAGES: dict[str, Callable[[], str]] = {
    "reporting.py": summary,
    "watching.py": fleet,
    "replaying.py": lambda: campaigns.to_markdown(campaign()),
    "experimenting.py": lambda: self_contained(analysis()),
    "mining.py": mining,
    "three_steps.py": research,
}
"""The page that each module publishes."""


def test_every_page_is_in_the_table() -> None:
    assert users_of(imports("tasks.artifacts", "publish_markdown")) == set(PAGES)


def attribute(tokens: list[Token], kind: str, name: str) -> list[Any]:
    return [token.attrGet(name) for token in tokens if token.type == kind]


@pytest.mark.parametrize("module", PAGES)
def test_a_page_has_no_foreign_image_and_link_and_no_html(module: str) -> None:
    page = PAGES[module]()
    parsed = MarkdownIt("commonmark").enable("table").parse(page)
    tokens = [token for block in parsed for token in (block, *(block.children or []))]

    assert "fake heading" in page
    assert {"html_block", "html_inline"}.isdisjoint(token.type for token in tokens)
    images = attribute(tokens, "image", "src")
    assert all(source.startswith("data:image/svg+xml;base64,") for source in images)
    assert set(attribute(tokens, "link_open", "href")) <= {"http://127.0.0.1:4200/runs/flow-run/f"}
    outside_code = re.sub("`[^`]+`", "", page)
    assert not re.search("<(img|script)|javascript:|http://127.0.0.1:9", outside_code)
    assert "\u202e" not in page
    assert "fake heading" not in [token.content for token in parsed]


@pytest.mark.parametrize(
    "page", [lambda: to_html(analysis(), []), lambda: campaigns.to_html(campaign())]
)
def test_a_page_of_html_has_no_foreign_tag(page: Callable[[], str]) -> None:
    text = page()
    assert "fake heading" in text
    assert not re.search("<(img|script|a)|\u202e", text)
