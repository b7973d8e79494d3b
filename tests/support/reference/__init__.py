"""The pages below ``docs/reference``, each made from what the code itself declares.

``just reference`` writes them; a test fails when a committed page is not what would be written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from support.documents import ROOT
from support.reference import (
    answers,
    builders,
    commands,
    events,
    files,
    flows,
    ledger,
    settings,
    usage,
)

FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by `just reference`. Change the code's declarations, not this page. -->\n"

WRITERS: Mapping[str, Callable[[], str]] = {
    "commands": commands.page,
    "settings": settings.page,
    "plan-file": files.plan_file,
    "experiment-file": files.experiment_file,
    "recording": files.recording,
    "simulation": files.simulation,
    "builders": builders.page,
    "usage-formats": usage.page,
    "ledger": ledger.page,
    "json": answers.page,
    "flows": flows.page,
    "events": events.page,
}


def written(name: str) -> str:
    """Return the page called ``name``, or the index of all."""
    return NOTE + (_index() if name == "index" else WRITERS[name]().strip() + "\n")


def names() -> list[str]:
    """Return the names of all pages, the index first."""
    return ["index", *WRITERS]


def _index() -> str:
    titles = {name: _title(write()) for name, write in WRITERS.items()}
    rows = "".join(f"| [{title}]({name}.md) |\n" for name, title in titles.items())
    return (
        "# Reference\n\nEach page is written from the code's own declarations.\n\n"
        f"| page |\n|---|\n{rows}"
    )


def _title(page: str) -> str:
    return page.strip().splitlines()[0].removeprefix("# ")
