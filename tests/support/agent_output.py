"""What agents print, written down."""

from __future__ import annotations

import json
from typing import Any


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events)
