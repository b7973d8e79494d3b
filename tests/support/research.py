"""A repository to ask about, and models that answer about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autopack.testing.model_server.model_script import Script
from support.projects import git, make_repository, write_yaml

FILES = {
    "words/inflect.py": '''\
"""Inflection of English words."""


def ordinal(number):
    """Return the suffix of a number's position."""
    if abs(number) % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(abs(number) % 10, "th")
''',
    "README.md": "# Words\n\nThe suffix of eleven to thirteen is th, as in English grammar.\n",
}
QUESTION = "How is the suffix of an ordinal chosen?"
RULE = "    if abs(number) % 100 in (11, 12, 13):"
CLARIFIED: dict[str, Any] = {
    "questions": [{"question": 1, "intent": "the rule", "queries": ["ordinal suffix"]}]
}
NOTHING_MORE: dict[str, Any] = {"queries": []}
INVENTED = {"question": 1, "claim": "It is a table.", "passage": 1, "quote": "def ordinals(n):"}
"""A claim whose quotation is in no source."""


def written(*claims: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a model writes last."""
    return {"claims": list(claims), **more}


def rule(passage: int = 3) -> dict[str, Any]:
    """A claim that holds, by the third passage that the question's search brings."""
    return {"question": 1, "claim": "The rest by a hundred decides.", "passage": passage} | {
        "quote": RULE
    }


def make_words(folder: Path) -> Path:
    """A small repository with code, a document and two commits."""
    repository = make_repository(folder, FILES)
    (repository / "CHANGES.md").write_text("1.1: the ordinal suffix of 111 is th\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "Ordinal suffix of 111 is th, since 11 decides")
    return repository


def record_answers(folder: Path, *answers: tuple[str, dict[str, Any]], phase: str = "look") -> Path:
    """The recording of a researcher: pairs of step and answer, 100 tokens each."""
    folder.mkdir(parents=True, exist_ok=True)
    call = {"provider": "p", "model": "m", "total": 100}
    listed = [{"step": step, "answer": said, "call": call} for step, said in answers]
    write_yaml(folder / f"{phase}.research.yaml", {"answers": listed})
    return folder


def model_script(*answers: dict[str, Any]) -> Script:
    """A model that gives these answers, one a conversation, at 100 tokens each."""
    return Script.model_validate(
        {
            "conversations": [
                {
                    "times": 1,
                    "turns": [
                        {
                            "tools": [{"name": "final_result", "arguments": one}],
                            "usage": {"input": 60, "output": 40},
                        }
                    ],
                }
                for one in answers
            ]
        }
    )
