"""A report of research as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autopack.model.counted import counted, dollars
from autopack.research.builder_findings import fenced
from autopack.views.escaping import code, markdown, plain

_MOST_EXCERPT = 1_200

Report = Mapping[str, Any]


def report_markdown(report: Report) -> str:
    """Return the report for people. Texts of sources and models are escaped."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# Research"
    yield ""
    yield f"{report['report_id']}, at commit `{report['commit'][:12]}`, {report['generated_at']}."
    for note in report["notes"]:
        yield ""
        yield f"> {markdown(note)}"
    for finding in report["findings"]:
        yield ""
        yield f"## {finding['question']}. {markdown(finding['text'])}"
        yield ""
        yield from _finding(finding)
    yield from _missing(report)
    yield from _sources(report)
    yield from _spent(report)


def _finding(finding: Mapping[str, Any]) -> Iterator[str]:
    if finding["known_from"]:
        yield f"*From the store: {markdown(finding['known_from'])}; its sources have not changed.*"
        yield ""
    if not finding["sentences"]:
        yield "Nothing was found."
    for one in finding["sentences"]:
        yield f"- {markdown(one['text'])} {_mark(one)}"
        if one["excerpt"]:
            quality = f", quality {one['quality']}" if one["quality"] else ""
            yield f"  {code(one['locator'])}{quality}"
            yield ""
            yield _indented(fenced(plain(one["excerpt"])[:_MOST_EXCERPT]))
            yield ""
    for one in finding["contradictions"]:
        first, second = one["between"]
        yield f"- **Contradiction** between [{first}] and [{second}]: {markdown(one['about'])}"


def _mark(one: Mapping[str, Any]) -> str:
    number = f"[{one['citation']}]"
    if one["kind"] == "unverified":
        return f"{number} **(unverified)**"
    if one["kind"] == "derived":
        return f"{number} (follows from {', '.join(f'[{at}]' for at in one['follows_from'])})"
    return number


def _missing(report: Report) -> Iterator[str]:
    yield ""
    yield "## Missing"
    yield ""
    for one in report["missing"]:
        yield f"- Question {one['question']}: {markdown(one['what'])}"
    for one in report["evidence_requests"]:
        if one["answer"] is not None:
            by = markdown(one["answered_by"] or "a person")
            yield f"- Asked: {markdown(one['request'])}"
            yield f"  - Answered by {by}, not checked: {markdown(one['answer'])}"
    for one in report["rejected"]:
        why = "; ".join(reason["sentence"] for reason in one["reasons"])
        yield f"- Rejected, question {one['question']}: {markdown(one['claim'])} ({markdown(why)})"
    if report["unverified"]:
        yield f"- {report['unverified']} of {len(report['evidence'])} claims are unverified."
    if not (report["missing"] or report["rejected"] or report["evidence_requests"]):
        yield "Nothing that was noticed."


def _sources(report: Report) -> Iterator[str]:
    yield ""
    yield "## Sources"
    yield ""
    for one in report["sources"]:
        found = counted(one["passages"], "passage")
        yield f"- {markdown(one['source_id'])}: {one['status']}, {found}"
        for failure in one["failures"]:
            yield f"  - {failure['kind']}: {markdown(failure['message'])}"


def _spent(report: Report) -> Iterator[str]:
    spent = report["spent"]
    cost = "unknown" if spent["cost"] is None else dollars(spent["cost"])
    parts = ", ".join(f"{name} {count:,}" for name, count in spent["by_category"].items() if count)
    yield ""
    yield "## Spent"
    yield ""
    calls = counted(spent["calls"], "call")
    yield f"{spent['total']:,} tokens in {calls} ({parts or 'none'}); cost {cost}."


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
