"""Which lists of a text ask for work, where nothing but its structure tells them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from autopack.plan.normalise.blocks import Block, Kind
from autopack.plan.normalise.sections import Placed
from autopack.plan.normalise.titles import Role, role_of_title
from autopack.plan.normalise.words import starts_with_verb

_NAMES_CODE = re.compile(r"`[^`]+`|\w/\w|\w\.[a-z]{1,5}\b|\w_\w")


def only_work(parts: Sequence[Placed]) -> tuple[list[Placed], list[str]]:
    """Take the lists that stand beside the work for what they are: no work.

    Where a text marks its tasks (open boxes, numbers, a section called "Tasks"), a list of
    another section without those marks is something else, in whatever language: reasons, rejected
    ideas, files. Returns the parts with such lists put aside, and a warning for each of them.
    """
    work = [each for each in parts if each.role is Role.WORK and each.block.kind is Kind.ITEM]
    sections: dict[Block | None, list[Placed]] = {}
    for each in work:
        sections.setdefault(each.heading, []).append(each)
    marked = {heading for heading, items in sections.items() if _is_marked(heading, items)}
    if not marked and not any(starts_with_verb(each.block.text) for each in work):
        # In a language whose orders are not known: what names files or code, beside what does not.
        marked = {heading for heading, items in sections.items() if _is_specific(items)}
    if not marked:
        return list(parts), []
    boxed = any(each.block.ticked is False for each in work)
    aside = {
        heading
        for heading, items in sections.items()
        if heading and heading not in marked and not _asks(items, strict=boxed)
    }
    kept = [
        replace(each, role=Role.ASIDE) if each.role is Role.WORK and each.heading in aside else each
        for each in parts
    ]
    names = [heading.text for heading in aside]
    return kept, [f"the list under {name!r} was not taken for work" for name in sorted(names)]


def _is_marked(heading: Block | None, items: Sequence[Placed]) -> bool:
    """Return whether a section says that it holds tasks: by its title, by boxes or by numbers."""
    if heading is not None and (heading.is_phase or role_of_title(heading.text) is Role.WORK):
        return True
    return any(
        each.block.ticked is False or (each.block.number is not None and each.block.level == 0)
        for each in items
    )


def _is_specific(items: Sequence[Placed]) -> bool:
    return 2 * sum(bool(_NAMES_CODE.search(each.block.text)) for each in items) >= len(items)


def _asks(items: Sequence[Placed], *, strict: bool) -> bool:
    """Return whether an unmarked list asks for work all the same: most of it are orders."""
    orders = sum(starts_with_verb(each.block.text) for each in items)
    return not strict and 2 * orders > len(items)
