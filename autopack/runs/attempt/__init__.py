"""One attempt at a phase: started, built, judged, concluded. The loop is the caller's."""

from autopack.runs.attempt.begin_attempt import begin
from autopack.runs.attempt.build_attempt import build
from autopack.runs.attempt.conclude_attempt import conclude, validate

__all__ = ["begin", "build", "conclude", "validate"]
