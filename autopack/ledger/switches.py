"""Views that a kill switch forbids say so instead of answering zero."""

from __future__ import annotations

from collections.abc import Mapping

from autopack.model.errors import SwitchedOff
from autopack.model.features import Feature, kill_switches


def refuse_if_off(feature: Feature, environ: Mapping[str, str]) -> None:
    """Raise SwitchedOff naming the variable when the environment forces ``feature`` off."""
    if kill_switches(environ)[feature]:
        raise SwitchedOff(
            f"{feature.value} is switched off: {feature.variable} is {environ[feature.variable]!r}",
            field=feature.variable,
            hint=f"unset {feature.variable}",
        )
