"""Texts that are something else than a plan: instructions for agents, change logs, standards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from autopack.plan.normalise.blocks import Block, Kind
from autopack.plan.normalise.titles import Role, role_of_title
from autopack.plan.normalise.words import word_set

_GUIDES = word_set(
    """
agents.md agent.md claude.md claude.local.md gemini.md qwen.md copilot-instructions.md .cursorrules
.windsurfrules conventions.md contributing.md
"""
)
_GUIDE = re.compile(
    r"\bprovides? guidance to\b|\bguidance (?:for|to) (?:\w+ ){0,2}(?:agents?|claude|codex|copilot)"
    r"|^you are an? (?:expert|senior|experienced|helpful|seasoned)\b"
    r"|\b(?:instructions|rules|guidelines) for (?:\w+ ){0,2}agents?\b",
    re.IGNORECASE,
)
_GUIDE_TITLES = re.compile(
    r"\b(?:commands?|code style|coding (?:style|standards?|conventions?)|style guide|conventions?"
    r"|(?:project|repository|repo|directory) (?:structure|layout|overview|guidelines)"
    r"|(?:setup|build|test(?:ing)?|dev(?:elopment)?) (?:commands?|instructions?|tips|guidelines)"
    r"|build (?:and|&) test|(?:pr|pull requests?|commit)(?: \w+)? ?(?:guidelines|instructions|"
    r"messages?)?|security considerations|dev environment tips|gotchas|naming|do'?s and don'?ts"
    r"|tech stack|architecture|testing|workflow|code review|best practices|guidelines|principles)$",
    re.IGNORECASE,
)
_STANDING = re.compile(
    r"^(?:always|never|prefer|avoid|use|do not|don'?t|keep|follow|favou?r|run|make sure|ensure"
    r"|must|when|if|before|only|remember|be|install with|build:|test:|lint:)\b",
    re.IGNORECASE,
)
_HABIT = re.compile(r"^(?:always|never|prefer|avoid|do not|don'?t|favou?r)\b", re.IGNORECASE)
_RELEASE = re.compile(
    r"^(?:version |release |v)?\[?\d+\.\d+(?:\.\d+)?\S*|^\[?unreleased\]?$|^\d{4}-\d{2}-\d{2}\b",
    re.IGNORECASE,
)
_CHANGE_TITLES = word_set(
    """
added changed deprecated removed fixed security breaking
"""
)
_STANDARD = re.compile(
    r"\brequest for comments: ?\d|\binternet-draft\b|\bstandards track\b"
    r"|\bto be interpreted as described in\b|\bstatus of this memo\b",
    re.IGNORECASE,
)
_README_TITLES = word_set(
    """
installation install installing usage quickstart quick getting license licence contributing features
badges support documentation requirements acknowledgements authors faq
"""
)


def genre(blocks: Sequence[Block], *, name: str = "") -> str | None:
    """Return what the text is instead of a plan, in words; None when it may be one.

    ``name`` is the file's. A text with a section of tasks or with open boxes is never refused for
    its looks.
    """
    titles = [block.text for block in blocks if block.kind is Kind.HEADING]
    for called in (PurePath(name).name, *titles[:1]):
        if called.lower() in _GUIDES:
            return f"standing instructions for agents ({called})"
    if _has_tasks(blocks, titles):
        return None
    text = [block.text for block in blocks if block.kind is not Kind.CODE]
    for what, fits in (
        ("a standard's text", any(map(_STANDARD.search, text))),
        ("a change log", _is_change_log(titles)),
        ("standing instructions for agents", _is_guide(blocks, titles)),
        ("a README", _is_readme(titles)),
    ):
        if fits:
            return what
    return None


def _has_tasks(blocks: Sequence[Block], titles: Sequence[str]) -> bool:
    boxed = any(block.ticked is False for block in blocks)
    phased = any(block.kind is Kind.HEADING and block.number is not None for block in blocks)
    return (
        boxed
        or (phased and not any(map(_RELEASE.match, titles)))
        or any(role_of_title(title) is Role.WORK for title in titles)
    )


def _is_change_log(titles: Sequence[str]) -> bool:
    releases = sum(bool(_RELEASE.match(title)) for title in titles)
    changes = sum(title.lower() in _CHANGE_TITLES for title in titles)
    named = any(re.match(r"change ?log$|release notes$|history$", t, re.I) for t in titles[:1])
    return releases >= 1 and (named or changes >= 1 or releases >= 3)


def _is_guide(blocks: Sequence[Block], titles: Sequence[str]) -> bool:
    said = any(_GUIDE.search(b.text) for b in blocks[:6] if b.kind is not Kind.CODE)
    items = [block for block in blocks if block.kind is Kind.ITEM]
    standing = sum(bool(_STANDING.match(item.text)) for item in items)
    habits = len(items) >= 3 and 2 * sum(bool(_HABIT.match(i.text)) for i in items) >= len(items)
    guiding = sum(bool(_GUIDE_TITLES.search(title)) for title in titles)
    return said or guiding >= 3 or (guiding >= 2 and standing >= 1) or (habits and not titles)


def _is_readme(titles: Sequence[str]) -> bool:
    words = {title.lower().split()[0] for title in titles if title.split()}
    return len(words & _README_TITLES) >= 3
