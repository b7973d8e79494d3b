"""The patterns of a run: built in, installed, of the home, and of its repository's base commit.

Those of the repository are read from the base commit, which no attempt can change.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from autopack.model.errors import BadInput
from autopack.repair.lifecycle.detector import (
    EVERYWHERE,
    Detector,
    Origin,
    detector_of,
    is_built_in,
    origin_of,
)
from autopack.repair.lifecycle.pattern_state import PatternState
from autopack.repair.lifecycle.transitions import Transition, in_force, latest
from autopack.repair.patterns import FailurePattern
from autopack.repair.patterns.declarative import DeclarativePattern
from autopack.repair.patterns.pattern_files import of_commit
from autopack.repair.patterns.pattern_registry import enabled_patterns, patterns
from autopack.runs.session.session import RunSession
from autopack.settings import DISABLE_PATTERNS, process_environment

_log = logging.getLogger("autopack")


@dataclass(frozen=True)
class RunPattern:
    """A pattern as a run has it: which detector it is, and what it may do there."""

    pattern: FailurePattern
    detector: Detector
    state: PatternState
    measured_in: str
    """The repository that it is measured in; "" for all of them."""
    is_known: bool
    """Whether its state is stored."""

    @property
    def may_act(self) -> bool:
        """Whether it meets failures here."""
        return self.state is PatternState.MITIGATE and self.detector.acts


def run_patterns(session: RunSession) -> tuple[RunPattern, ...]:
    """Return the patterns that look at the run's failures, best priority first; not retired ones.

    What cannot be loaded was refused when the run was prepared; where that changed since, it is
    logged and left out.
    """
    moves = latest(session.db)
    repository = session.run().repo
    found = (_of_run(each, moves, repository) for each in _loaded(session))
    return tuple(one for one in found if one.state is not PatternState.RETIRED)


def _of_run(
    pattern: FailurePattern, moves: Mapping[tuple[str, str, str], Transition], repository: str
) -> RunPattern:
    detector = detector_of(pattern)
    measured_in = repository if origin_of(pattern) is Origin.REPOSITORY else EVERYWHERE
    if is_built_in(pattern.pattern_id):
        return RunPattern(pattern, detector, PatternState.MITIGATE, measured_in, True)
    last = in_force(moves, detector, repository)
    known = last is not None and last.to_state != PatternState.CANDIDATE.value
    state = PatternState(last.to_state) if last is not None and known else PatternState.SHADOW
    return RunPattern(pattern, detector, state, measured_in, known)


def _loaded(session: RunSession) -> tuple[FailurePattern, ...]:
    environ = process_environment()
    try:
        return enabled_patterns(environ, _of_base(session))
    except BadInput as error:
        _log.warning("declared patterns are skipped: %s", error.message)
        off = DISABLE_PATTERNS.of(environ)
        known = {pattern.pattern_id for pattern in patterns()}
        return patterns(off=[name for name in off if name in known])


_read: dict[str, tuple[DeclarativePattern, ...]] = {}
_MOST_READ = 32


def _of_base(session: RunSession) -> tuple[DeclarativePattern, ...]:
    """Return the patterns of the run's base commit, which names its content."""
    commit = session.run().base_commit
    if commit not in _read:
        if len(_read) >= _MOST_READ:
            _read.clear()
        _read[commit] = of_commit(session.mirror.git, commit)
    return _read[commit]
