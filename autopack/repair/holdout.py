"""The hold-out: by chance a mitigation is left out, so that what it saves is measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Arm = Literal["treated", "held_out"]

SEED = "1"
"""What draws begin from: with another one, later draws would be other ones."""

DEFAULT_SHARE = 0.1
"""The share that is held out where the feature is on and the plan names none."""

NEVER_HELD_OUT = frozenset({"scope_mismatch"})
"""Without it the branch would hold files that the phase may not change."""


@dataclass(frozen=True)
class Draw:
    """One draw: a number from 0 to 1, held out where it is below the share."""

    seed: str
    share: float
    number: float

    @property
    def arm(self) -> Arm:
        return "held_out" if self.number < self.share else "treated"


def draw(seed: str, run_id: str, phase_id: str, pattern_id: str, share: float) -> Draw | None:
    """Return the draw of a pattern in a phase, the same whenever it is asked for.

    None for a pattern that is never held out, and where nothing is.
    """
    if share <= 0 or pattern_id in NEVER_HELD_OUT:
        return None
    text = "\n".join((seed, run_id, phase_id, pattern_id)).encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(text).digest()
    return Draw(seed, share, int.from_bytes(digest[:8]) / 2**64)
