"""What a page says after something was done; the address names one of these, never a text."""

from __future__ import annotations

_NOTICES = {
    "approve": "Approved. The run resumes by itself where it has a flow run; otherwise with "
    "`autopack resume`.",
    "reject": "Rejected. The run ends.",
    "cancel": "Cancelled. What runs is being ended.",
    "pause": "Paused. No further build starts until it is resumed.",
    "pause-now": "Paused. The build under way is being interrupted; it can be resumed.",
    "resume": "Resumed.",
    "caps": "The caps were changed.",
    "nothing": "Nothing had to be changed.",
}


def notice(name: str | None) -> str | None:
    """Return the notice of that name; None for any other."""
    return _NOTICES.get(name or "")
