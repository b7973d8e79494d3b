"""What a reviewer's words amount to: approval, or findings whose quotations are in the diff."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from autopack.repair.review.diff_quotes import DiffLine, Misquoted, quoted_lines
from autopack.repair.review.reviewer import Verdict

MOST_FINDINGS = 20
_LONGEST = 2_000
# What looks like an object and is none is read to where it fails, and again from its next brace.
_READINGS = 20


@dataclass(frozen=True)
class Finding:
    """What is wrong with ``lines`` of the diff, which it quotes."""

    path: str
    quote: str
    problem: str
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True)
class Dropped:
    """A finding that does not count, and why."""

    path: str
    quote: str
    problem: str
    why: str


@dataclass(frozen=True)
class Judgement:
    """What a review comes to; ``why`` is its sentence, or why it is inconclusive."""

    verdict: Verdict
    why: str
    findings: tuple[Finding, ...] = ()
    dropped: tuple[Dropped, ...] = ()


def _folded(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _or_nothing(value: object) -> object:
    return "" if value is None else value


Words = Annotated[str, BeforeValidator(_or_nothing)]


class SaidFinding(BaseModel):
    """One objection, with lines of the diff quoted exactly."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: Words = ""
    quote: Words = ""
    problem: Words = ""


class ReviewAnswer(BaseModel):
    """The answer of a reviewer."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    verdict: Annotated[Literal["approve", "reject"], BeforeValidator(_folded)]
    summary: Words = ""
    findings: Annotated[tuple[SaidFinding, ...], BeforeValidator(lambda said: said or ())] = Field(
        default=()
    )


def judged(text: str, diff: str) -> Judgement:
    """Return what ``text``, a reply about ``diff``, comes to.

    Only an answer that can be read approves. A finding whose quotation is not in the diff is
    dropped, and a rejection of which nothing is left is none.
    """
    answer = _read(text)
    if isinstance(answer, str):
        return Judgement(Verdict.INCONCLUSIVE, answer)
    kept: list[Finding] = []
    dropped: list[Dropped] = []
    for number, said in enumerate(answer.findings):
        path, quote, problem = said.path.strip(), said.quote, said.problem.strip()
        found = _found(diff, said, number)
        if isinstance(found, str):
            cut = (path[:_LONGEST], quote[:_LONGEST], problem[:_LONGEST])
            dropped.append(Dropped(*cut, why=found))
        else:
            kept.append(Finding(found[0], quote, problem[:_LONGEST], tuple(found[1])))
    summary = " ".join(answer.summary.split())[:_LONGEST]
    findings, without = tuple(kept), tuple(dropped)
    if answer.verdict == Verdict.APPROVE:
        return Judgement(Verdict.APPROVE, summary, findings, without)
    if findings:
        return Judgement(Verdict.REJECT, summary, findings, without)
    why = "it rejects the change without a finding"
    if without:
        why = f"it rejects the change, and none of its findings holds: {without[0].why}"
    return Judgement(Verdict.INCONCLUSIVE, why, (), without)


def _found(diff: str, said: SaidFinding, number: int) -> tuple[str, Sequence[DiffLine]] | str:
    """Return the file and the lines that a finding quotes, or why it is dropped."""
    if number >= MOST_FINDINGS:
        return f"only {MOST_FINDINGS} findings are looked at"
    if not said.problem.strip():
        return "it does not say what is wrong"
    if len(said.quote) > _LONGEST:
        return f"its quotation is longer than {_LONGEST} characters"
    try:
        return quoted_lines(diff, said.quote, path=said.path.strip() or None)
    except Misquoted as error:
        return str(error)


def _read(text: str) -> ReviewAnswer | str:
    """Return the one answer in ``text``, or why there is none."""
    if not text.strip():
        return "the reviewer said nothing"
    found: list[ReviewAnswer] = []
    for value in _objects(text):
        if "verdict" not in value:
            continue
        try:
            found.append(ReviewAnswer.model_validate(value))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            return f"its answer cannot be read: {place}: {first['msg']}"
    if not found:
        return "its answer is not the JSON object that was asked for"
    if any(one != found[0] for one in found):
        return "it gives more than one answer"
    return found[0]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in ``text`` that are in no other, in time linear in its length."""
    # Lines are quoted with their breaks and tabs as they are, too.
    decoder = json.JSONDecoder(object_pairs_hook=_once, strict=False)
    at, left = 0, _READINGS * len(text)
    while left > 0 and (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            return  # nested deeper than any answer
        except ValueError as error:
            end = error.pos if isinstance(error, json.JSONDecodeError) else len(text)
            left -= max(end - at, 1)
            at += 1
            continue
        if isinstance(value, dict):
            yield cast("dict[str, Any]", value)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object without keys that are given twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found
