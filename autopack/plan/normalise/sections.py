"""Sorts the blocks of a text by what they are for: goal, criteria, non-goals, context or work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from autopack.plan.normalise.blocks import Block, Kind


class Role(StrEnum):
    """What a part of the text is for."""

    GOAL = "goal"
    CRITERIA = "criteria"
    NON_GOALS = "non_goals"
    CONTEXT = "context"
    VALIDATION = "validation"
    WORK = "work"


@dataclass(frozen=True)
class Placed:
    """A block, its role and the heading it stands under (None above the first)."""

    block: Block
    role: Role
    heading: Block | None


_ROLES = (
    (Role.NON_GOALS, r"non-?goals?|out of scope|not in scope|not part of (?:it|this)|won'?t do"),
    (Role.CRITERIA, r"(?:success|acceptance|exit) criteria|definition of done|done when"),
    (Role.VALIDATION, r"validation|verification|how to (?:test|verify|validate)|checks"),
    (Role.GOAL, r"(?:the )?(?:goals?|objectives?|aim|purpose|summary|tl;?dr)"),
    (
        Role.CONTEXT,
        r"background|context|motivation|notes?|rationale|references?|links|current state|why"
        r"|(?:the )?problem(?: statement)?|risks?|assumptions?|(?:open )?questions?|timeline"
        r"|constraints?|glossary|estimates?|overview|introduction",
    ),
)
_TITLES = tuple((role, re.compile(rf"^(?:{words})$", re.IGNORECASE)) for role, words in _ROLES)
_INLINE = tuple(
    (role, re.compile(rf"^(?:{words}):\s+(.+)$", re.IGNORECASE)) for role, words in _ROLES
)
_NEGATED = re.compile(
    r"^(?:please )?(?:do not|don'?t|never|no|avoid) (?!longer|one\b)\w"
    r"|\bwithout (?:adding|touching|changing|breaking)\b",
    re.IGNORECASE,
)


def placed(blocks: Iterable[Block]) -> Iterator[Placed]:
    """Each block but the headings, with its role; a heading's role holds for what is below it."""
    stack: list[tuple[Block, Role]] = []
    for block in blocks:
        if block.kind is Kind.HEADING:
            while stack and stack[-1][0].level >= block.level:
                stack.pop()
            above = stack[-1][1] if stack else Role.WORK
            stack.append((block, _role_of_title(block.text) or above))
            continue
        heading, role = stack[-1] if stack else (None, Role.WORK)
        inline = _inline(block) if block.kind is not Kind.CODE else None
        if inline:
            yield Placed(inline[0], inline[1], heading)
        elif role is Role.WORK and block.kind is not Kind.CODE and _NEGATED.match(block.text):
            yield Placed(block, Role.NON_GOALS, heading)
        else:
            yield Placed(block, role, heading)


def texts_of(parts: Iterable[Placed], role: Role) -> list[str]:
    """The texts of one role, without code."""
    return [p.block.text for p in parts if p.role is role and p.block.kind is not Kind.CODE]


def _role_of_title(title: str) -> Role | None:
    bare = re.sub(r"^[\W\d]+|[\W]+$", "", title)
    return next((role for role, pattern in _TITLES if pattern.match(bare)), None)


def _inline(block: Block) -> tuple[Block, Role] | None:
    """ "Goal: faster imports" is a goal wherever it stands."""
    for role, pattern in _INLINE:
        found = pattern.match(block.text)
        if found:
            return Block(block.kind, found[1], block.line, block.level), role
    return None
