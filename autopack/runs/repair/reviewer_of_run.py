"""The reviewer that a run's plan names."""

from __future__ import annotations

from autopack.model.budget import room
from autopack.model.errors import BadInput
from autopack.model.ids import AttemptKey
from autopack.model.locations import expanded
from autopack.repair.review import Reviewer
from autopack.runs.session.session import RunSession
from autopack.settings import REVIEW_RECORDING

_SHARE_OF_TIME = 0.5
_LEAST_TOKENS, _MOST_TOKENS = 20_000, 300_000
"""What an agent that reviews may use; an answer alone takes its question and some thousand more."""


def reviewer_of(session: RunSession, key: AttemptKey) -> Reviewer:
    """Return who reviews an attempt. Raises BadInput when it cannot be used."""
    place = session.crew.reviewing()
    phase = session.phase(key.phase_id)
    seconds = session.seconds_left(phase) * _SHARE_OF_TIME
    if place is None:
        from autopack.testing.scripted_reviewer import ScriptReviewer

        recording = REVIEW_RECORDING.of() or session.run().builder_options.get("recording", ".")
        return ScriptReviewer(expanded(recording, "recording").absolute())
    if session.plan.policy.review == "api":
        from autopack.agents.api.agent import ApiBuilder
        from autopack.repair.review.api_reviewer import ApiReviewer

        if not isinstance(place.builder, ApiBuilder):
            raise BadInput("the reviewer api needs the builder api", field="policy.review")
        return ApiReviewer(place.builder, place.model, seconds)
    from autopack.repair.review.builder_reviewer import Bench, BuilderReviewer

    left = room(session.levels(session.db, phase)).tokens
    attempt = session.attempt(key)
    bench = Bench(
        key=key,
        mirror=session.mirror,
        commit=attempt.built_commit,
        checkouts=session.folder / "review",
        supervisor=session.supervisor,
        environment=session.variables(key),
        tokens=_MOST_TOKENS if left is None else max(_LEAST_TOKENS, min(left, _MOST_TOKENS)),
        seconds=seconds,
    )
    return BuilderReviewer(place.builder, place.model, bench)
