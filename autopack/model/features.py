"""Which optional features a run has on: kill switches, command line, plan, environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum

from autopack.model.errors import BadInput

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Feature(StrEnum):
    """What a run may turn on; everything is off unless something says otherwise."""

    PHASE6_METRICS = "phase6_metrics"
    CONSOLIDATED_METRICS = "consolidated_metrics"
    FAILURE_HARDENING = "failure_hardening"
    INTENTION_CONTEXT = "intention_context"
    PLAN_NORMALIZATION = "plan_normalization"
    CONTEXT_PACK = "context_pack"
    HOLDOUT = "holdout"

    @property
    def variable(self) -> str:
        """The environment variable that is this feature's switch."""
        return f"AUTOPACK_ENABLE_{self.name}"


def resolve_features(
    *,
    plan: Iterable[str],
    enable: Iterable[str],
    disable: Iterable[str],
    environ: Mapping[str, str],
) -> frozenset[Feature]:
    """Return the features that are on for one run.

    A kill switch (variable set to false) beats ``enable`` and ``disable``, which beat what the
    plan lists. A variable set to true counts only for a run that does not say: its plan lists
    nothing, and the command line does not name that feature. Raises BadInput naming the option
    or the variable at fault.
    """
    listed = _named(plan, field="features")
    enabled = _named(enable, field="--enable")
    disabled = _named(disable, field="--disable")
    if both := sorted(enabled & disabled):
        raise BadInput(
            f"--disable: {both[0]} is given to --enable too", field="--disable", hint="drop one"
        )
    switches = {feature: _switch(feature, environ) for feature in Feature}
    killed = {feature for feature, on in switches.items() if on is False}
    by_environment = {feature for feature, on in switches.items() if on is True}
    unless_told = listed or by_environment
    return frozenset((unless_told - disabled | enabled) - killed)


def kill_switches(environ: Mapping[str, str]) -> dict[Feature, bool]:
    """Return every feature, and whether the environment forces it off everywhere."""
    return {feature: _switch(feature, environ) is False for feature in Feature}


def _named(names: Iterable[str], *, field: str) -> frozenset[Feature]:
    return frozenset(_feature(name, field) for name in names)


def _feature(name: str, field: str) -> Feature:
    if name in frozenset(Feature):
        return Feature(name)
    close = get_close_matches(name, list(Feature), n=1)
    suggestion = f"; did you mean {close[0]}?" if close else ""
    raise BadInput(
        f"{field}: {name!r} is not a feature{suggestion}",
        field=field,
        hint=f"features are {', '.join(Feature)}",
    )


def _switch(feature: Feature, environ: Mapping[str, str]) -> bool | None:
    """Return what the variable says; None when it is unset or empty, as in settings."""
    text = environ.get(feature.variable, "").strip()
    if not text:
        return None
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise BadInput(
        f"{feature.variable} is {text!r}",
        field=feature.variable,
        hint="use true (1, yes, on) or false (0, no, off), or unset it",
    )
