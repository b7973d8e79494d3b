"""What agents are told besides their task, goal and files alike, and how far a phase drifts."""

from autopack.context.drift import Drift, measure
from autopack.context.embedder import THRESHOLD, Calibration, Embedder
from autopack.context.embedders import embedder_named
from autopack.context.intention import BUILDER_BYTES, DOCTOR_BYTES, MOST_BYTES, Intention, intention

__all__ = [
    "BUILDER_BYTES",
    "DOCTOR_BYTES",
    "MOST_BYTES",
    "THRESHOLD",
    "Calibration",
    "Drift",
    "Embedder",
    "Intention",
    "embedder_named",
    "intention",
    "measure",
]
