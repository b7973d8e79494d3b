"""Calls of a program that tells each of them, and at its end a sum of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autopack.agents.usage_reading import NOTHING, Split, exactness_of, model_call, total_of
from autopack.model.calls import Exactness, ModelCall


@dataclass
class ToldCall:
    """One call; of one that is told more than once the largest figures count."""

    model: str
    response_id: str | None
    split: Split = NOTHING
    sound: bool = True


@dataclass
class ToldTwice:
    """What was told of calls, and by ``sums`` of each model; ``ended`` once there are sums."""

    provider: str
    model: str
    told: dict[str, ToldCall] = field(default_factory=dict[str, ToldCall])
    sums: dict[str, Split] = field(default_factory=dict[str, Split])
    sound: bool = True
    ended: bool = False

    def call(self, key: str, model: str | None, split: Split, *, sound: bool) -> None:
        """Take in one call, whose name in the program's output is ``key``."""
        known = self.told.setdefault(key, ToldCall(model or self.model, key))
        known.split |= split
        known.sound = known.sound and sound

    def conclude(self, sums: Mapping[str, Split], *, sound: bool) -> None:
        """Take in the sums; of several the last count."""
        self.sums, self.ended = dict(sums), True
        self.sound = self.sound and sound

    def calls(self) -> tuple[list[ModelCall], Exactness]:
        """Return each call, one for what a sum has beyond them, and how far that is all."""
        told = [one for one in self.told.values() if one.split.total]
        calls = [
            model_call(
                self.provider, one.model, one.split, response_id=one.response_id, sound=one.sound
            )
            for one in told
        ]
        agrees = True
        for model, reported in self.sums.items():
            shown = total_of(one.split for one in told if one.model == model)
            agrees = agrees and reported.covers(shown)
            rest = reported - shown
            if rest.total:
                calls.append(
                    model_call(
                        self.provider, model, rest, most_input=rest.taken_in, sound=self.sound
                    )
                )
        strangers = {one.model for one in told} - self.sums.keys()
        all_told = self.ended and agrees and self.sound and not (strangers and self.sums)
        return calls, exactness_of(calls, all_told=all_told and all(one.sound for one in told))
