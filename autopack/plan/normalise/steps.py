"""Finds the pieces of work in a text and groups them into steps that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from autopack.plan.normalise.blocks import Block, Kind
from autopack.plan.normalise.categories import category
from autopack.plan.normalise.named_paths import Files, named_paths
from autopack.plan.normalise.sections import Placed
from autopack.plan.normalise.titles import Role
from autopack.plan.normalise.words import (
    asks_for_work,
    is_english,
    is_vague,
    starts_with_verb,
    stems,
    without_leading,
)


@dataclass(frozen=True)
class Work:
    """One piece of work: its text, the line it stands on and the number it has in the text.

    ``after_last``: an order word ("then") puts it behind what stands before it; ``after`` and
    ``before`` quote what else it says of its place ("after step 2", "before the login").
    """

    text: str
    line: int
    is_item: bool
    number: int | None = None
    after_last: bool = False
    after: str | None = None
    before: str | None = None


@dataclass
class Step:
    """Pieces of work that belong together; ``title`` is a heading's or a parent item's."""

    works: list[Work]
    title: str | None = None
    number: int | None = None
    details: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        return "\n".join([*([self.title] if self.title else []), *(w.text for w in self.works)])


_LOOK_BACK = 5
"""How many pieces of work the next one is compared with; a long list must not take for ever."""

_ORDER_WORD = re.compile(
    r"^(?:then|next|after that|afterwards?|finally|lastly|once (?:that|this) is done)\b[,:]?\s+",
    re.IGNORECASE,
)
_PARTS = re.compile(r"(?:,|;)?\s+(?:and )?then\s+|;\s+", re.IGNORECASE)
_AFTER = re.compile(
    r"^(?:after|once|when)\s+(?P<first>[^,]{3,120}),\s+(?P<rest>.+)$"
    r"|^(?P<head>.+?)\s*\(?\b(?:after|depends on|once|needs|requires)\s+"
    r"(?P<ref>(?:step|phase|item|task)?\s*#?\d{1,2}|the [\w -]{3,60}?)"
    r"(?:\s+(?:is|are) (?:done|in place|ready|finished))?\)?\.?$",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"^before\s+(?P<last>[^,]{3,120}),\s+(?P<rest>.+)$", re.IGNORECASE)


def find_steps(blocks: Iterable[Placed], files: Files) -> list[Step]:
    """Return the steps in the order of the text; duplicates are merged into their first mention."""
    steps: list[Step] = []
    seen: set[str] = set()
    entries = [each for each in blocks if each.role is Role.WORK]
    listed = any(_is_work(each.block) for each in entries)
    tops = {each.heading.text for each in entries if each.heading and each.heading.level == 1}
    entries = [_under_its_own_heading(each, titled=len(tops) < 2) for each in entries]
    for index, entry in enumerate(entries):
        block, heading = entry.block, entry.heading
        if block.kind is Kind.CODE:
            if steps:
                steps[-1].details.append(f"```{block.language}\n{block.text}\n```")
            continue
        if block.ticked:
            continue
        if _is_parent(entries, index):
            steps.append(Step([], title=block.text.rstrip(":"), number=block.number))
            continue
        nested = block.kind is Kind.ITEM and block.level > 0
        works = [w for w in _works(block, files, listed=listed) if _key(w.text) not in seen]
        seen |= {_key(work.text) for work in works}
        if not works:
            if block.kind is Kind.SENTENCE and steps and not asks_for_work(block.text):
                steps[-1].details.append(block.text)
            continue
        for work in works:
            _place(steps, work, nested=nested, heading=heading, files=files)
    return [step for step in steps if step.works or step.title]


def _place(
    steps: list[Step], work: Work, *, nested: bool, heading: Block | None, files: Files
) -> None:
    last = steps[-1] if steps else None
    if nested and last is not None:
        last.works.append(work)
    elif work.number is not None and not nested:
        steps.append(Step([work], number=work.number))
    elif last is not None and not work.after_last and not work.after and not work.before:
        if _same_heading(last, heading) or _coherent(last, work, heading, files):
            last.works.append(work)
        else:
            steps.append(_new_step(work, heading))
    else:
        steps.append(_new_step(work, heading))


def _new_step(work: Work, heading: Block | None) -> Step:
    if heading is None:
        return Step([work])
    return Step([work], title=heading.text, number=heading.number)


def _same_heading(step: Step, heading: Block | None) -> bool:
    return heading is not None and step.title == heading.text


def _coherent(step: Step, work: Work, heading: Block | None, files: Files) -> bool:
    """Return whether unnumbered work continues what stands before it: same kind or same
    files.
    """
    if step.number is not None or heading is not None:
        return False
    latest = "\n".join(each.text for each in step.works[-_LOOK_BACK:])
    here, there = named_paths(work.text, files).scope, named_paths(latest, files).scope
    if set(here) & set(there):
        return True
    if category(work.text) in ("testing", "docs"):
        return bool(stems(work.text) & stems(latest))
    return category(work.text) == category(latest)


def _works(block: Block, files: Files, *, listed: bool) -> list[Work]:
    """Return the pieces of work in a block: "add a and then b" is two, the second behind the first.

    Where work is ``listed``, a sentence beside the list is work only when it is an order. One in
    another language than English, whose orders are not known, is work when it names a file.
    """
    asks = starts_with_verb if listed else asks_for_work
    foreign = (
        not listed and not is_english(block.text) and bool(named_paths(block.text, files).existing)
    )
    is_item = block.kind is Kind.ITEM
    number = block.number if is_item and block.level == 0 else None
    found: list[Work] = []
    for part in _PARTS.split(block.text):
        work = _with_order(Work(part.strip(), block.line, is_item, number))
        work = replace(work, after_last=work.after_last or bool(found))
        if work.text and not is_vague(work.text) and (is_item or foreign or asks(work.text)):
            found.append(replace(work, text=_tidy(work.text)))
            number = None
    return found


def _with_order(work: Work) -> Work:
    text = _ORDER_WORD.sub("", work.text)
    ordered = text != work.text
    before, after = _BEFORE.match(text), _AFTER.match(text)
    if before:
        return replace(work, text=before["rest"], before=before["last"], after_last=ordered)
    if after and after["first"]:
        return replace(work, text=after["rest"], after=after["first"], after_last=ordered)
    if after:
        return replace(work, text=after["head"].rstrip(" ,("), after=after["ref"])
    return replace(work, text=without_leading(text) if ordered else text, after_last=ordered)


def _tidy(text: str) -> str:
    """``text`` as an entry of a list: a capital at its start, no full stop at its end."""
    capital = text[0].upper() + text[1:] if starts_with_verb(text) else text
    return capital.rstrip(".").rstrip()


def _under_its_own_heading(entry: Placed, *, titled: bool) -> Placed:
    """A heading holds a step together, but the title of the whole text does not."""
    is_title = titled and entry.heading is not None and entry.heading.level == 1
    return replace(entry, heading=None) if is_title else entry


def _is_work(block: Block) -> bool:
    return block.kind is Kind.ITEM and not is_vague(block.text)


def _is_parent(entries: Sequence[Placed], index: int) -> bool:
    """Return whether a top-level item has items below it that say what it consists of."""
    block = entries[index].block
    following = entries[index + 1].block if index + 1 < len(entries) else None
    return (
        block.kind is Kind.ITEM
        and block.level == 0
        and following is not None
        and following.kind is Kind.ITEM
        and following.level > 0
    )


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
