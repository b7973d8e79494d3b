"""The work on one research phase in this process, and its model: asked within bounds, paid once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from autopack.failpoints import Step, durable
from autopack.ledger.events.build_events import builder_events
from autopack.ledger.events.usage_events import event_key
from autopack.ledger.recorder import Intent
from autopack.model.calls import ModelCall
from autopack.model.ids import AttemptKey
from autopack.plan.plan import PhaseSpec
from autopack.plan.researching import ResearchSpec
from autopack.research.gathering import Gathered
from autopack.research.research_report import Finding, PersonsAnswer
from autopack.research.researcher import (
    ANSWERS,
    BYTES_A_TOKEN,
    CATEGORY_OF,
    Ask,
    AskedFor,
    Clarified,
    Researcher,
    ResearchFailed,
    Searches,
    Written,
)
from autopack.runs import calling
from autopack.runs.research.paid_answers import PaidAnswers
from autopack.runs.session.session import RunSession
from autopack.secrecy.redaction import Redactor
from autopack.store.research_records import (
    AnswerRow,
    get_answers,
    record_answer,
    research_spend,
)
from autopack.store.usage_event import UsageEvent

Shaped = Clarified | Searches | Written

_SHARE = {AskedFor.CLARIFY: 4, AskedFor.GATHER: 4, AskedFor.WRITE: 2}
"""A call takes at most that part of the tokens that are left, so that the last step has some."""
_MOST_ANSWER = 8_000
_MOST_PROMPT = 120_000
_TRIES = 2
"""How often a question is put whose answer could not be read."""


@dataclass
class Desk:
    """What the steps of a research phase share while one process works on it.

    ``known`` are the findings of earlier reports about unchanged sources, by the number of their
    question; ``keys`` are where each question's finding is kept. ``notes`` are for the report.
    """

    session: RunSession
    phase: PhaseSpec
    spec: ResearchSpec
    gathered: Gathered
    researcher: Researcher | None
    clarified: Clarified = field(default_factory=Clarified)
    known: dict[int, Finding] = field(default_factory=dict[int, Finding])
    keys: dict[int, str] = field(default_factory=dict[int, str])
    requests: list[PersonsAnswer] = field(default_factory=list[PersonsAnswer])
    notes: list[str] = field(default_factory=list[str])
    _asked: Counter[AskedFor] = field(default_factory=Counter[AskedFor])

    @property
    def key(self) -> AttemptKey:
        """Return what calls of the phase are recorded under: research precedes all attempts."""
        return AttemptKey(self.session.run_id, self.phase.id, 0)

    @property
    def questions(self) -> list[tuple[int, str]]:
        """The questions that are still to be answered, with their numbers from 1."""
        numbered = enumerate(self.spec.questions, start=1)
        return [(number, text) for number, text in numbered if number not in self.known]

    def has_call_to_spare(self) -> bool:
        """Return whether a call may be made and one is left to write with."""
        # By what was asked since the beginning, so that a resumed phase takes the same way.
        if self.spec.max_calls - sum(self._asked.values()) > 1:
            return True
        self.note(f"of {self.spec.max_calls} calls (max_calls) one was left, to write with")
        return False

    def note(self, text: str) -> None:
        """Have the report say something, once."""
        if text not in self.notes:
            self.notes.append(text)

    async def ask(
        self, step: AskedFor, prompt: Callable[[int], str], *, is_last: bool = False
    ) -> Shaped | None:
        """Return the model's answer; None when there is none to be had, which is noted.

        ``prompt`` is given the most bytes of passages. What was answered before a crash is not
        asked again. Raises ResearchFailed when the provider is in trouble.
        """
        if self.researcher is None:
            return None
        for _ in range(_TRIES):
            self._asked[step] += 1
            number = self._asked[step]
            row = self._stored(step, number) or self._left_behind(step, number)
            if row is None:
                row = await self._pay(self.researcher, step, number, prompt, is_last=is_last)
            if row is None:
                return None
            if row.answer is not None:
                return ANSWERS[step].model_validate(row.answer)
            self.note(f"an answer of the model to {step.value} was not used: {row.problem}")
        return None

    def _stored(self, step: AskedFor, number: int) -> AnswerRow | None:
        stored = get_answers(self.session.db, self.session.run_id, self.phase.id)
        found = [one for one in stored if one.step == step and one.number == number]
        return found[0] if found else None

    def _left_behind(self, step: AskedFor, number: int) -> AnswerRow | None:
        """Store the answer that a process was given which crashed before it could."""
        paid = self._paid.noted(step, number)
        if paid is None or self.researcher is None:
            return None
        self._store(paid.row, Intent(self.key, "research", paid.call), paid.calls)
        return paid.row

    async def _pay(
        self,
        researcher: Researcher,
        step: AskedFor,
        number: int,
        prompt: Callable[[int], str],
        *,
        is_last: bool,
    ) -> AnswerRow | None:
        session = self.session
        spent = research_spend(session.db, session.run_id, self.phase.id)
        if spent.calls >= self.spec.max_calls:
            self.note(f"all {self.spec.max_calls} calls were used up (max_calls)")
            return None
        room = (self.spec.tokens - spent.tokens) // (1 if is_last else _SHARE[step])
        answer_tokens = min(_MOST_ANSWER, room // 3)
        left = room - answer_tokens - researcher.overhead_tokens
        if answer_tokens < researcher.least_answer or left <= 0:
            self.note(f"the {self.spec.tokens:,} tokens were used up")
            return None
        most_bytes = min(left * BYTES_A_TOKEN, _MOST_PROMPT)
        words = len(prompt(0).encode("utf-8", "replace"))
        text = session.redactor.text(prompt(max(most_bytes - words, 0)))
        ask = Ask(step, text, number, answer_tokens)
        most = researcher.most(ask)
        if most.total + spent.tokens > self.spec.tokens:
            self.note(f"the {self.spec.tokens:,} tokens have no room for another call")
            return None
        with durable(Step.RESEARCH_ASKED):
            made = await calling.announce(session, self.key, "research", most, researcher.seconds)
        if isinstance(made, str):
            self.note(f"the model was not asked: {made}")
            return None
        return await self._make(researcher, ask, made)

    async def _make(self, researcher: Researcher, ask: Ask, made: calling.Call) -> AnswerRow | None:
        session, failed = self.session, None
        answer: dict[str, Any] | None = None
        try:
            with durable(Step.RESEARCH_PAID):
                session.mirror.fence.check()
                asking = asyncio.wait_for(researcher.ask(ask), made.seconds)
                reply = await session.switch.guard(asking)
                spent, problem = reply.calls, None
                answer = _redacted(reply.answer.model_dump(mode="json"), session.redactor)
                row = AnswerRow(step=ask.step, number=ask.number, answer=answer, problem=None)
                self._paid.note(row, made.intent.call, spent)
        except ResearchFailed as error:
            spent, problem, failed = error.calls, session.redactor.text(error.message), error
        except TimeoutError:
            calling.give_up(session, made.intent)
            raise ResearchFailed(
                f"no answer after {made.seconds:.0f} s", is_provider=True
            ) from None
        except BaseException:
            # Stopped or cancelled: nobody waits for the answer, so nothing may be held for it.
            calling.give_up(session, made.intent)
            raise
        row = AnswerRow(step=ask.step, number=ask.number, answer=answer, problem=problem)
        # What the provider refused may be asked again under the same number.
        is_answer = failed is None or not failed.is_provider
        self._store(row, made.intent, spent, keeps=is_answer)
        if failed is not None and failed.is_provider:
            self._asked[ask.step] -= 1
            raise failed
        return row

    def _store(
        self, row: AnswerRow, intent: Intent, calls: Sequence[ModelCall], *, keeps: bool = True
    ) -> None:
        """Store an answer with its cost, in one transaction."""
        session, step = self.session, AskedFor(row.step)
        simulated = self.researcher is not None and self.researcher.simulated
        events = self._events(calls, step, intent.call, simulated=simulated)

        def keep(conn: sa.Connection) -> None:
            if keeps:
                record_answer(conn, session.run_id, self.phase.id, row)

        with durable(Step.RESEARCH_COUNTED):
            calling.record(session, intent, events, calls, also=keep)
        self._paid.forget(row)

    @property
    def _paid(self) -> PaidAnswers:
        return PaidAnswers(self.session.folder, self.phase.id)

    def _events(
        self, calls: Sequence[ModelCall], step: AskedFor, call: int, *, simulated: bool
    ) -> list[UsageEvent]:
        """Return the calls as the ledger keeps them: of research, by what they were for."""
        return [
            replace(
                event,
                event_key=event_key(
                    self.key, event.provider, event.response_id, call * _MOST_OF_A_CALL + number
                ),
                role="research",
                category=CATEGORY_OF[step],
            )
            for number, event in enumerate(builder_events(calls, self.key, simulated=simulated))
        ]


_MOST_OF_A_CALL = 1_000_000
"""More responses than a call has, so that each has a number of its own."""


def _redacted(value: Any, redactor: Redactor) -> Any:
    """Return JSON with the secrets taken out of its texts."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, Mapping):
        return {name: _redacted(one, redactor) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_redacted(one, redactor) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value
