"""When a provider's calls are let through, and when not: the rules, without a database.

Five failures in a row open a circuit; a minute later it lets a few probes pass; two that succeed
close it, one that fails opens it again. Looking at a circuit never changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class CircuitState(StrEnum):
    CLOSED = "closed"
    """Calls pass."""
    OPEN = "open"
    """None passes, until the time is up."""
    HALF_OPEN = "half_open"
    """Some pass, to see whether the provider is back."""


@dataclass(frozen=True)
class CircuitRules:
    """``failures`` in a row open a circuit for ``open_seconds``; then ``probes`` pass, and
    ``successes`` of them close it. Probes that say nothing within ``half_open_seconds`` are
    given up, and others pass instead."""

    failures: int = 5
    open_seconds: float = 60.0
    successes: int = 2
    probes: int = 2
    half_open_seconds: float = 30.0


RULES = CircuitRules()


@dataclass(frozen=True)
class Circuit:
    """A circuit at one moment. ``transitions`` counts its changes of state, ``changed_at`` is the
    time of the last one, or of the last turn of probes."""

    name: str
    changed_at: datetime
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    successes: int = 0
    probes: int = 0
    transitions: int = 0
    calls: int = 0
    refused: int = 0
    last_error: str | None = None


@dataclass(frozen=True)
class Admission:
    """Whether a call may be made. ``turn`` is the state in which it was admitted: its outcome
    says nothing about a later one. ``seconds`` is how long one that is refused should wait."""

    name: str
    admitted: bool
    turn: int
    seconds: float = 0.0


def admit(circuit: Circuit, at: datetime, rules: CircuitRules = RULES) -> tuple[Circuit, Admission]:
    """Let a call pass or refuse it; the circuit as it is afterwards."""
    age = (at - circuit.changed_at) / timedelta(seconds=1)
    if circuit.state is CircuitState.OPEN and age >= rules.open_seconds:
        circuit = _turned(circuit, CircuitState.HALF_OPEN, at)
        age = 0.0
    elif circuit.state is CircuitState.HALF_OPEN and age >= rules.half_open_seconds:
        # The probes fell silent. Others get their places; a late answer still counts.
        circuit, age = replace(circuit, probes=0, changed_at=at), 0.0
    if circuit.state is CircuitState.OPEN:
        return _refused(circuit, rules.open_seconds - age)
    if circuit.state is CircuitState.HALF_OPEN:
        if circuit.probes >= rules.probes:
            return _refused(circuit, rules.half_open_seconds - age)
        circuit = replace(circuit, probes=circuit.probes + 1)
    circuit = replace(circuit, calls=circuit.calls + 1)
    return circuit, Admission(circuit.name, True, circuit.transitions)


def report(
    circuit: Circuit,
    admission: Admission,
    at: datetime,
    *,
    error: str | None,
    rules: CircuitRules = RULES,
) -> Circuit:
    """The circuit after an admitted call ended; ``error`` is None when it succeeded."""
    if admission.turn != circuit.transitions or circuit.state is CircuitState.OPEN:
        return circuit
    if error is not None:
        failed = replace(circuit, failures=circuit.failures + 1, successes=0, last_error=error)
        if failed.state is CircuitState.HALF_OPEN or failed.failures >= rules.failures:
            return _turned(failed, CircuitState.OPEN, at)
        return failed
    passed = replace(circuit, failures=0, successes=circuit.successes + 1)
    if passed.state is CircuitState.HALF_OPEN and passed.successes >= rules.successes:
        return _turned(passed, CircuitState.CLOSED, at)
    return passed


def _turned(circuit: Circuit, state: CircuitState, at: datetime) -> Circuit:
    return replace(
        circuit,
        state=state,
        failures=0,
        successes=0,
        probes=0,
        changed_at=at,
        transitions=circuit.transitions + 1,
    )


def _refused(circuit: Circuit, seconds: float) -> tuple[Circuit, Admission]:
    return replace(circuit, refused=circuit.refused + 1), Admission(
        circuit.name, False, circuit.transitions, max(seconds, 0.1)
    )
