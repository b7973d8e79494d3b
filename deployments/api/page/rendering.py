"""Templates, and what every value goes through on its way to a page.

Agents, plans and models write much of what is shown. Whatever a template prints passes `shown`,
which takes out control sequences and turned writing and bounds its length, and is then escaped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from autopack import __version__
from autopack.views.escaping import plain
from autopack.views.operating.page_links import PATH

Names = dict[str, Any]

BASE = PATH
"""Where the page is mounted."""

MOST_SHOWN = 20_000
_HERE = Path(__file__).parent


def shown(value: object) -> object:
    """Return a value as it may be printed: text without what is not seen, and not too much."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return "unknown" if value is None else value
    if len(value) <= MOST_SHOWN:
        return plain(value)
    return f"{plain(value[:MOST_SHOWN])} … and {len(value) - MOST_SHOWN:,} more characters"


def count(value: int | float | Decimal | None, unit: str = "") -> str:
    """Return a number with its thousands apart; unknown is said."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}{unit}"


def dollars(value: float | Decimal | None) -> str:
    """Return US dollars, small amounts to the hundredth of a cent; unknown is said."""
    if value is None:
        return "unknown"
    return f"${value:,.2f}" if not value or value >= 1 else f"${value:,.4f}"


def duration(seconds: float | None) -> str:
    """Return how long something took, in the two largest units that matter."""
    if seconds is None:
        return "unknown"
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    for size, name, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller} {small}"
    return f"{whole // 60} min {whole % 60} s"


def moment(at: datetime | str | None) -> Markup:
    """Return a moment in UTC, for people and programs."""
    if at is None:
        return Markup('<span class="unknown">not yet</span>')
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    found = found.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        found.isoformat(timespec="seconds"), f"{found:%Y-%m-%d %H:%M:%S} UTC"
    )


def since(at: datetime | None, now: datetime | None = None) -> Markup:
    """Return how long ago something began; a script lets it count on."""
    if at is None:
        return Markup('<span class="unknown">not yet</span>')
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return Markup('<span class="elapsed" data-since="{}">{}</span>').format(
        at.astimezone(UTC).isoformat(timespec="seconds"), duration(seconds)
    )


def state_words(state: str) -> str:
    """Return a state as people say it."""
    words = {
        "RUN_CREATED": "not started",
        "PHASE_EXECUTION": "running",
        "AWAITING_APPROVAL": "waiting for an answer",
        "DONE_SUCCESS": "succeeded",
        "DONE_FAILED_BUDGET_EXHAUSTED": "over budget",
        "DONE_FAILED_POLICY_VIOLATION": "policy violation",
        "DONE_FAILED_REQUIRES_HUMAN_REVIEW": "needs review",
        "DONE_FAILED_ENVIRONMENT": "environment failed",
        "DONE_CANCELLED": "cancelled",
    }
    return words.get(state, state.lower().replace("_", " "))


def state_tone(state: str) -> str:
    """Return which of the five tones of the style sheet a state has."""
    if state in ("DONE_SUCCESS", "COMPLETE", "PASSED", "closed", "healthy"):
        return "good"
    if state in ("AWAITING_APPROVAL", "half_open", "degraded", "paused"):
        return "warn"
    if "FAIL" in state or state in ("open", "unhealthy", "crashed", "INVALID"):
        return "bad"
    return "busy" if state in ("PHASE_EXECUTION", "EXECUTING", "STARTED", "BUILT") else "calm"


def web_address(text: str | None) -> str | None:
    """Return an address that may be linked to: http and https alone."""
    if text is None:
        return None
    try:
        return text if urlsplit(text).scheme in ("http", "https") else None
    except ValueError:
        return None


def at(*parts: object) -> str:
    """Return the address of something of this page; what is in it cannot leave its segment."""
    return "/".join((BASE, *(quote(str(part), safe="") for part in parts)))


@cache
def templates() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters, known = cast("Names", made.filters), cast("Names", made.globals)
    filters.update(
        count=count,
        dollars=dollars,
        duration=duration,
        moment=moment,
        since=since,
        state_words=state_words,
        state_tone=state_tone,
        web_address=web_address,
    )
    known.update(at=at, base=BASE, version=__version__)
    return made


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a whole page."""
    return HTMLResponse(templates().get_template(template).render(values), status)


@dataclass(frozen=True)
class Part:
    """A part of a page that changes by itself; ``version`` is the same while it says the same."""

    name: str
    html: Markup
    version: str


def parts(folder: str, names: Sequence[str], **values: Any) -> dict[str, Part]:
    """Render the parts of those names, each from its template."""
    found: dict[str, Part] = {}
    for name in names:
        html = templates().get_template(f"{folder}/{name}.html").render(values)
        telling = _COUNTING.sub(r"\1", html).encode()
        version = hashlib.sha256(telling).hexdigest()[:16]
        found[name] = Part(name, Markup(html), version)  # noqa: S704 - it was escaped just now
    return found


# Time that passes is no news: a script counts on.
_COUNTING = re.compile(r'(data-since="[^"]*">)[^<]*')
