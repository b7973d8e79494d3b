"""Gathering and reviewing: what is shown is numbered, what is claimed is checked, all by bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from autopack.research.evidence import EvidenceKind, sha256_of
from autopack.research.gathering import Gathered
from autopack.research.quoted_answers import quoted_answers
from autopack.research.report_schema import SCHEMA_FILE, json_schema
from autopack.research.research_report import Facts, Finding, report_json
from autopack.research.researcher import Contradiction, Draft, Written
from autopack.research.reviewing import Review, review
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    Rank,
    SourceFacts,
    SourceFailure,
)

TEXT = b"Waiting doubles with each try.\nThe pause ends at ninety seconds.\nJitter is a fifth.\n"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_shipped_schema_is_that_of_the_code():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema()


class Notes:
    """A source of one text; its passages are its lines."""

    failures: Sequence[SourceFailure] = ()

    def __init__(self, name: str = "folder:notes", text: bytes = TEXT) -> None:
        self.name, self._text, self.asked = name, text, 0

    def search(self, query: Query) -> Sequence[Passage]:
        self.asked += 1
        facts = SourceFacts(is_primary=True, rank=Rank.PROSE, origin=self.name)
        found: list[Passage] = []
        at = 0
        for line in self._text.splitlines(keepends=True):
            if any(word in line.decode().lower() for word in query.text.lower().split()):
                place = f"file:{self.name.partition(':')[2]}.md"
                found.append(Passage(self.name, place, line, at, at + len(line), 1.0, facts))
            at += len(line)
        return found

    def read(self, locator: str) -> bytes:
        return self._text


class Broken(Notes):
    def search(self, query: Query) -> Sequence[Passage]:
        raise SourceFailure(self.name, FailureKind.CRASHED, "it died")


def gathered(*sources: Notes, most: int = 5, **more: Any) -> Gathered:
    return Gathered(
        sources or (Notes(),), keep=sha256_of, now=lambda: NOW, most_searches=most, **more
    )


def test_a_search_is_made_once_and_not_beyond_the_most():
    notes = Notes()
    found = gathered(notes, most=2)
    assert [one.number for one in found.search("pause jitter")] == [1, 2]
    assert [one.number for one in found.search("  pause   jitter ")] == [1, 2]
    assert [one.number for one in found.search("jitter waiting")] == [3, 2]
    assert found.search("seconds") == ()
    assert (notes.asked, found.has_room) == (2, False)


def test_a_source_that_fails_is_named_and_the_others_are_asked():
    found = gathered(Broken("command:x"), Notes())
    assert len(found.search("pause")) == 1
    failed, searched = found.sources_json()
    assert (failed["status"], searched["status"]) == ("failed", "searched")
    assert failed["failures"] == [{"source_id": "command:x", "kind": "died", "message": "it died"}]


def test_bytes_with_a_secret_are_used_for_nothing():
    found = gathered(hides=lambda content: b"Jitter" in content)
    assert found.search("pause") == []
    assert found.sources_json()[0]["status"] == "failed"


def test_the_hash_of_what_a_search_brings_changes_with_its_source():
    digests = {
        gathered_once.digest("pause")
        for text in (TEXT, TEXT.replace(b"fifth", b"tenth"))
        for gathered_once in [gathered(Notes(text=text))]
        if gathered_once.search("pause")
    }
    assert len(digests) == 2


def claims(*drafts: dict[str, Any], **more: Any) -> Review:
    found = gathered()
    found.search("pause")
    listed = tuple(Draft.model_validate({"question": 1, **draft}) for draft in drafts)
    return review(Written(claims=listed, **more), found, questions=1)


RIGHT = {"claim": "It ends.", "passage": 1, "quote": "The pause ends at ninety seconds."}


@pytest.mark.parametrize(
    "wrong",
    [
        RIGHT | {"quote": "The pause ends at ninety minutes."},
        RIGHT | {"passage": 2},
        RIGHT | {"passage": None},
        RIGHT | {"question": 2},
        RIGHT | {"claim": "It ends after 80 seconds."},
        RIGHT | {"quote": "The pause"},
        RIGHT | {"absence": True, "query": "never asked"},
        {"claim": "So it is.", "kind": "derived", "follows_from": [7]},
        {"claim": "So it is.", "kind": "derived"},
    ],
)
def test_what_does_not_hold_is_rejected_with_all_that_follows_from_it(wrong: dict[str, Any]):
    follows = {"claim": "Hence.", "kind": "derived", "follows_from": [1]}
    found = claims(wrong, follows, RIGHT)
    assert [one.draft.claim for one in found.rejected] == [wrong["claim"], "Hence."]
    assert [one.claim for one in found.evidence] == ["It ends."]


def test_what_holds_is_numbered_anew_and_contradictions_stay():
    follows = {"claim": "Hence.", "kind": "derived", "follows_from": [2]}
    bad = RIGHT | {"quote": "The pause ends at noon, of course."}
    pairs = (Contradiction(between=(2, 4), about="a"), Contradiction(between=(1, 2), about="b"))
    unknown = {"claim": "Known anyway.", "kind": "unverified"}
    found = claims(bad, RIGHT, follows, unknown, contradictions=pairs)
    assert [one.kind for one in found.evidence] == [
        EvidenceKind.QUOTED,
        EvidenceKind.DERIVED,
        EvidenceKind.UNVERIFIED,
    ]
    assert found.evidence[1].follows_from == (1,)
    assert [(one.between, one.about) for one in found.contradictions] == [((1, 3), "a")]


def test_without_a_model_lines_are_quoted_and_hold():
    found = gathered()
    for question in ("When does the pause end?", "Who sings?"):
        found.search(question)
    written = quoted_answers([(1, "When does the pause end?"), (2, "Who sings?")], found)
    held = review(written, found, questions=2)
    assert held.rejected == ()
    assert "The pause ends at ninety seconds." in {one.quote for one in held.evidence}
    assert [one.question for one in written.missing] == [2]


def test_a_finding_is_kept_and_read_again_as_it_was():
    follows = {"claim": "Hence.", "kind": "derived", "follows_from": [1]}
    held = claims(RIGHT, follows)
    made = Finding.of(1, "When?", held, ["why"])
    again = Finding.from_json(1, made.as_json(), "r.look")
    facts = Facts(
        report_id="s.look",
        run_id="s",
        phase_id="look",
        repo="/r",
        commit="0" * 40,
        at=NOW,
        researcher=None,
        sources=[],
        searches=[],
        rejected=[],
        requests=[],
        notes=[],
        spent={},
    )
    first, second = report_json([made], facts), report_json([again], facts)
    assert first["evidence"] == second["evidence"]
    assert [one["citation"] for one in second["findings"][0]["sentences"]] == [1, 2]
    assert second["findings"][0]["known_from"] == "r.look"
    assert "without a call" in second["notes"][-1]
