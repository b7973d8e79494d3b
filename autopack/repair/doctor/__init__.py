"""A doctor: a model that is asked last about a failing phase, and answers with one action."""

from autopack.repair.doctor.doctor import (
    Answer,
    Doctor,
    DoctorAction,
    DoctorFailed,
    Opinion,
)

__all__ = ["Answer", "Doctor", "DoctorAction", "DoctorFailed", "Opinion"]
