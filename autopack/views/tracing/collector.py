"""Sending spans to a collector of OpenTelemetry, over OTLP/HTTP.

The exporter is the one of the extra `otel`; it reads its settings from the variables ``OTEL_*``
itself. Without an endpoint nothing is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from autopack.model.errors import BadInput, WorkFailed
from autopack.settings import process_environment
from autopack.store.database.engine import Database
from autopack.store.reading import get_run
from autopack.store.sent_spans import note_sent, sent_until
from autopack.views.tracing.run_spans import CONVENTIONS, Span, changed_since, run_spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_AT_ONCE = 500


def is_wanted() -> bool:
    """Return whether an endpoint is configured, so that spans are sent."""
    return any(process_environment().get(name, "").strip() for name in ENDPOINTS)


def send_run(db: Database, run_id: str) -> int:
    """Send what the collector does not have yet of a run that has ended; return how many spans.

    Raises BadInput without the extra, WorkFailed when the collector does not take them.
    """
    until = get_run(db, run_id).finished_at
    spans = changed_since(run_spans(db, run_id), sent_until(db, run_id))
    if until is None or not spans:
        return 0
    send(spans)
    note_sent(db, run_id, until)
    return len(spans)


def send(spans: Sequence[Span]) -> None:
    """Send spans. Raises BadInput without the extra, WorkFailed when they are not taken."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError as error:
        raise BadInput(
            "spans need the extra otel, which is not installed",
            field=ENDPOINTS[1],
            hint="install autopack[otel], or unset the variable",
        ) from error
    # The exporter logs every try, with the address; here one line is said, once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter()
    try:
        for start in range(0, len(spans), _AT_ONCE):
            some = _readable(spans[start : start + _AT_ONCE])
            if exporter.export(some) is not SpanExportResult.SUCCESS:
                raise WorkFailed("the OpenTelemetry collector did not take the spans")
    except (OSError, ValueError) as error:
        # Its text may hold the address, and that a login.
        kind = type(error).__name__
        raise WorkFailed(f"the OpenTelemetry collector cannot be reached: {kind}") from error
    finally:
        exporter.shutdown()


def _readable(spans: Sequence[Span]) -> list[ReadableSpan]:
    """Return spans as the SDK has them."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.status import Status, StatusCode

    # What the operator says in OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES comes first.
    resource = Resource({"service.name": "autopack"}).merge(OTELResourceDetector().detect())
    scope = InstrumentationScope(
        "autopack", schema_url=f"https://opentelemetry.io/schemas/{CONVENTIONS}"
    )
    return [
        ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id),
            parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
            resource=resource,
            attributes=span.attributes | ({} if span.error is None else {"error.type": span.error}),
            kind=SpanKind.CLIENT if span.is_call else SpanKind.INTERNAL,
            status=Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR),
            start_time=_nanoseconds(span.started_at),
            end_time=_nanoseconds(span.ended_at),
            instrumentation_scope=scope,
        )
        for span in spans
    ]


def _context(trace_id: str, span_id: str) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
    )


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000
