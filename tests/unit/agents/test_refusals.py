"""An agent whose provider refuses for ever is told from one that gets answers."""

from __future__ import annotations

from autopack.agents.opencode.agent import RefusalWatch


def test_an_answer_between_refusals_starts_the_count_again() -> None:
    refusal = b'level=ERROR message="stream error" error.error="x"\n'
    watch = RefusalWatch(retries=1)

    assert watch.look(refusal + b'{"type":"step_finish"}\n' + refusal) is None
    assert watch.look(refusal[:20]) is None
    assert watch.look(refusal[20:]) is not None
