"""A run that has ended is sent to a collector of OpenTelemetry, whole and once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from support.collector import Collector, attributes, collecting
from support.projects import call, make_project

from autopack.store.database.engine import Database
from autopack.views.tracing.run_spans import run_spans

KNOWN = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


async def run_once_failing(tmp_path: Path) -> dict[str, Any]:
    """Run a phase whose first attempt fails, with a secret word in all that is said."""
    from flows import execute_run

    builds = [
        [call(3), {"files": {"word": "canary"}}],
        [call(130), {"files": {"word": "good"}}],
    ]
    phase = {
        "instructions": "write the canary",
        "validate": [["sh", "-c", "cat word; grep -q good word"]],
    }
    project = make_project(tmp_path, {"one": builds}, phase=phase)
    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="traced",
    )


async def test_a_run_is_a_trace_and_sent_once(
    collector: Collector, db: Database, tmp_path: Path
) -> None:
    from tasks.recording import send_missed

    run = await run_once_failing(tmp_path)
    assert await send_missed(db) == 0, "it was sent when it ended"

    spans = collector.spans
    assert len({span.span_id for span in spans}) == len(spans)
    assert len({span.trace_id for span in spans}) == 1
    by_id = {span.span_id: span for span in spans}
    shape = [(span.name, getattr(by_id.get(span.parent_span_id), "name", None)) for span in spans]
    model = attributes(spans[-1])["gen_ai.response.model"]
    assert shape == [
        ("invoke_workflow autopack", None),
        ("phase", "invoke_workflow autopack"),
        ("invoke_agent script", "phase"),
        ("invoke_agent script", "phase"),
        (f"chat {model}", "invoke_agent script"),
        (f"chat {model}", "invoke_agent script"),
    ]
    tokens = [attributes(span)["autopack.tokens"] for span in spans[4:]]
    assert sum(tokens) == run["tokens"]["total"] == attributes(spans[0])["autopack.run_tokens"]
    assert attributes(spans[2])["error.type"] == "validation_failed"
    assert [span.status.code for span in spans] == [0, 0, 2, 0, 0, 0]
    assert {name for span in spans for name in attributes(span) if "gen_ai" in name} <= KNOWN
    assert b"canary" not in b"".join(one.SerializeToString() for one in collector.taken)
    assert [span.span_id for span in run_spans(db, "traced")] == [
        span.span_id.hex() for span in spans
    ]


async def test_a_collector_that_is_away_is_told_later(
    collector: Collector, db: Database, tmp_path: Path
) -> None:
    from tasks.recording import send_missed

    collector.status = 400
    run = await run_once_failing(tmp_path)
    assert (run["state"], collector.taken) == ("DONE_SUCCESS", [])

    collector.status = 200
    assert await send_missed(db) == 1
    assert await send_missed(db) == 0
    assert len(collector.spans) == len(run_spans(db, "traced"))


@pytest.mark.parametrize("engine_name", ["sqlite"])
async def test_without_the_extra_one_line_says_so(
    collector: Collector, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    run = await run_once_failing(tmp_path)
    said = [one.getMessage() for one in caplog.records if "spans" in one.getMessage()]
    assert run["state"] == "DONE_SUCCESS"
    assert said == [
        "no spans sent: spans need the extra otel, which is not installed"
        " (install autopack[otel], or unset the variable)"
    ]


@pytest.mark.parametrize("engine_name", ["sqlite"])
async def test_without_an_endpoint_nothing_is_loaded(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    await run_once_failing(tmp_path)
    from autopack.store.sent_spans import sent_until

    assert sent_until(db, "traced") is None
