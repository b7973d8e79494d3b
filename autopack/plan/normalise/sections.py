"""Sorts the blocks of a text by what they are for: goal, criteria, non-goals, context or work."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from autopack.plan.normalise.blocks import Block, Kind, without_number
from autopack.plan.normalise.titles import Role, role_of_title
from autopack.plan.normalise.words import starts_with_verb


@dataclass(frozen=True)
class Placed:
    """A block, its role and the heading it stands under (None above the first)."""

    block: Block
    role: Role
    heading: Block | None


_INLINE = re.compile(r"^([^:：.!?`]{2,60})[:：]\s+(.+)$")  # noqa: RUF001
_NEGATED = re.compile(
    r"^(?:please )?(?:do not|don'?t|never|no|avoid) (?!longer|one\b)\w"
    r"|^(?:we|i) (?:(?:have )?(?:considered|rejected|discarded)|decided against|ruled out"
    r"|will not|won'?t)\b"
    r"|without (?:adding|touching|changing|breaking)\b"
    r"|^(?:nicht|keine?|kein|ne pas|pas de|pas d'|no hay que|sin|não|nao|sem|non|nessun\w*|niet"
    r"|geen|nie|bez|inte|ikke|не|без|нет|nem|ei) (?!mehr\b)\w"
    r"|^(?:不要|不得|不应|不做|勿|禁止)",
    re.IGNORECASE,
)
_METADATA = re.compile(
    r"^(?:feature name|start date|date|rfc pr|rust issue|author|authors|owner|status"
    r"|created|version|updated|last updated|issue|tracking issue|ticket|branch|feature branch"
    r"|priority|assignee|reviewers?|labels?|type|milestone)[:：]\s",  # noqa: RUF001
    re.IGNORECASE,
)
_NEGATED_AT_THE_END = re.compile(
    r"(?:しない|しません|하지 않는다|하지 않기|하지 말 것)(?:こと)?[。.]?$"
)


def placed(blocks: Sequence[Block]) -> list[Placed]:
    """Return each block but the headings, with its role; a heading's role holds for what is below
    it.

    A numbered heading that asks for work itself ("Phase 1: Add a table"), with nothing below it
    that does, stands for its work.
    """
    found: list[Placed] = []
    stack: list[tuple[Block, Role]] = []
    for index, block in enumerate(blocks):
        if block.kind is Kind.HEADING:
            while stack and stack[-1][0].level >= block.level:
                stack.pop()
            above = stack[-1][1] if stack else Role.WORK
            role = _role_of(block) or above
            stack.append((block, role))
            if role is Role.WORK and _is_work_itself(blocks, index):
                outer = _phase_around(stack[:-1])
                number = None if outer else block.number
                text = without_number(block.text)
                work = replace(block, kind=Kind.ITEM, text=text, level=0, number=number)
                found.append(Placed(work, role, outer))
            continue
        heading, role = stack[-1] if stack else (None, Role.WORK)
        found.append(_placed(block, role, _phase_around(stack) or heading))
    return found


def _placed(block: Block, role: Role, heading: Block | None) -> Placed:
    if block.quoted:
        return Placed(block, Role.CONTEXT, heading)
    if block.kind is Kind.CODE:
        return Placed(block, role, heading)
    inline = _inline(block)
    if inline:
        return Placed(inline[0], inline[1], heading)
    if role is Role.WORK and _is_negated(block.text):
        return Placed(block, Role.NON_GOALS, heading)
    if role is Role.WORK and heading is None and _METADATA.match(block.text):
        return Placed(block, Role.CONTEXT, heading)
    return Placed(block, role, heading)


def _is_negated(text: str) -> bool:
    return bool(_NEGATED.match(text) or _NEGATED_AT_THE_END.search(text))


def _role_of(heading: Block) -> Role | None:
    """Return the role of a heading; "Phase 2: Validation" is a phase like any other."""
    return Role.WORK if heading.is_phase else role_of_title(heading.text)


def _phase_around(stack: Sequence[tuple[Block, Role]]) -> Block | None:
    """Return the outermost phase that a block stands in: "Task 2" with its steps is one."""
    return next((heading for heading, _ in stack if heading.is_phase), None)


def _is_work_itself(blocks: Sequence[Block], at: int) -> bool:
    heading = blocks[at]
    title = without_number(heading.text)
    if heading.number is None or title == heading.text:
        return False
    nested = blocks[at + 1 :]
    inner = next((each for each in nested if each.kind is Kind.HEADING), None)
    if inner is not None and inner.level > heading.level:
        return False
    below = list(itertools.takewhile(lambda each: each.kind is not Kind.HEADING, blocks[at + 1 :]))
    if not any(block.kind is not Kind.CODE for block in below):
        return heading.is_phase or starts_with_verb(title)
    asked = any(block.kind is Kind.ITEM or starts_with_verb(block.text) for block in below)
    return starts_with_verb(title) and not asked


def texts_of(parts: Iterable[Placed], role: Role) -> list[str]:
    """Return the texts of one role, without code."""
    return [p.block.text for p in parts if p.role is role and p.block.kind is not Kind.CODE]


def _inline(block: Block) -> tuple[Block, Role] | None:
    """ "Goal: faster imports" is a goal wherever it stands."""
    found = _INLINE.match(block.text)
    role = role_of_title(found[1]) if found else None
    if found is None or role is None:
        return None
    return replace(block, text=found[2]), role
