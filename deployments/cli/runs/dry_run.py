"""`autopack run --dry-run`: what a run would do, for people."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autopack.model.counted import counted, dollars
from autopack.model.locations import is_there
from autopack.settings import Settings
from autopack.store.database.connecting import parse_url
from autopack.store.database.engine import Database
from deployments.cli.shared.output import note, out, plain_table


@contextmanager
def database_as_it_is(settings: Settings) -> Generator[Database]:
    """Yield the database, and one that is gone afterwards where there is none so far."""
    url = parse_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or is_there(url.database or ""):
        yield Database.open(settings.database_url)
        return
    with tempfile.TemporaryDirectory(prefix="autopack-dry-run-") as folder:
        path = quote(str(Path(folder).resolve() / "autopack.db"), safe=" /:")
        db = Database.open(f"sqlite:///{path}")
        try:
            yield db
        finally:
            db.close()


def print_dry_run(told: dict[str, Any]) -> None:
    """Print the JSON of a dry run for people."""
    out.print(told["goal"])
    out.print()
    table = plain_table("phase", "tier", "after", "checks", "caps", wraps=("after", "checks"))
    for phase in told["phases"]:
        checks = "; ".join(phase["checks"]) or _research(phase["research"]) or "none"
        table.add_row(
            phase["phase_id"] + (" (asks a person first)" if phase["approval"] else ""),
            phase["tier"],
            ", ".join(phase["depends_on"]),
            checks + (" (inferred)" if phase["checks_inferred"] else ""),
            _phase_caps(phase["budget"]),
        )
    out.print(table)
    out.print()
    builder, environment, caps = told["builder"], told["environment"], told["caps"]
    model = f", model {builder['model']}" if builder["model"] else ""
    out.print(f"starts from  {told['base_commit'][:12]} of {told['repo']}")
    out.print(f"builder      {builder['name']} {builder['version'] or ''}".rstrip() + model)
    setup = "; ".join(environment["setup"]) or "nothing to install"
    inferred = " (inferred)" if environment["setup_inferred"] and environment["setup"] else ""
    out.print(f"environment  {', '.join(environment['toolchains']) or 'no toolchain found'}")
    out.print(f"setup        {setup}{inferred}")
    out.print(f"sandbox      {environment['sandbox']}")
    out.print(f"features     {', '.join(told['features']) or 'none'}")
    out.print(f"caps         {_caps(caps)}; at a cap the run {_AT_CAP[caps['at_cap']]}")
    out.print(f"expected     {_expected(told['expected'], told['phases'])}")
    if told["confidence"] is not None:
        note(f"the plan was made from the text, with confidence {told['confidence']:.2f}")
    for warning in told["warnings"]:
        note(f"warning: {warning}")
    if not builder["installed"] or builder["hint"]:
        note(f"builder {builder['name']}: {builder['hint'] or 'is not installed'}")
    note("nothing was started and nothing was written; leave --dry-run out to run it")


_AT_CAP = {"fail": "fails", "ask": "waits for a person"}


def _phase_caps(budget: dict[str, Any]) -> str:
    told = [counted(budget["attempts"], "attempt")]
    if budget["tokens"] is not None:
        told.append(f"{budget['tokens']:,} tokens")
    if budget["minutes"] is not None:
        told.append(f"{budget['minutes']:g} minutes")
    return ", ".join(told)


def _caps(caps: dict[str, Any]) -> str:
    told = [f"{caps['tokens']:,} tokens"]
    if caps["cost"] is not None:
        told.append(dollars(caps["cost"]))
    if caps["minutes"] is not None:
        told.append(f"{caps['minutes']:g} minutes")
    above = caps["campaign"]
    if above is not None:
        spent = "unknown" if above["tokens_spent"] is None else f"{above['tokens_spent']:,}"
        most = "" if above["tokens"] is None else f" of {above['tokens']:,}"
        told.append(f"campaign {above['name']} ({spent}{most} tokens spent)")
    return ", ".join(told)


def _research(told: dict[str, Any] | None) -> str:
    if told is None:
        return ""
    return f"research: {counted(len(told['questions']), 'question')}"


def _expected(told: dict[str, Any], phases: list[dict[str, Any]]) -> str:
    most = sum(phase["research"]["tokens"] for phase in phases if phase["research"])
    research = f"; research at most {most:,} tokens" if most else ""
    builds = [phase for phase in phases if not phase["research"]]
    return f"{_of_builds(told, len(builds))}{research}"


def _of_builds(told: dict[str, Any], phases: int) -> str:
    if not told["n"]:
        return "unknown: no finished phase of this builder and model so far"
    text = f"{told['tokens']:,} tokens"
    if told["tokens_low"] is not None:
        text += f" ({told['tokens_low']:,} to {told['tokens_high']:,} in 8 of 10 cases)"
    text += f", ${told['cost']:,.4f}" if told["cost"] is not None else ", cost unknown"
    counts = f"n = {told['n']}, by {told['basis']}"
    return f"{text} for {counted(phases, 'phase')}, from finished phases: {counts}"
