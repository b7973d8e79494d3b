"""Finds the pieces of work in a text and groups them into steps that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from autopack.plan.normalise.blocks import Block, Kind
from autopack.plan.normalise.categories import category
from autopack.plan.normalise.paths import Files, named_paths
from autopack.plan.normalise.sections import Placed, Role
from autopack.plan.normalise.words import asks_for_work, is_vague, stems, without_leading


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
    """The steps in the order of the text; duplicates are merged into their first mention."""
    steps: list[Step] = []
    seen: set[str] = set()
    entries = [each for each in blocks if each.role is Role.WORK]
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
        works = [w for w in _works(block) if _key(w.text) not in seen]
        seen |= {_key(work.text) for work in works}
        if not works:
            if not _is_work(block) and steps:
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
    titled = heading is not None and heading.level > 1
    return Step(
        [work],
        title=heading.text if titled and heading else None,
        number=heading.number if titled and heading else None,
    )


def _same_heading(step: Step, heading: Block | None) -> bool:
    """A heading below the document's title holds one step together."""
    return heading is not None and heading.level > 1 and step.title == heading.text


def _coherent(step: Step, work: Work, heading: Block | None, files: Files) -> bool:
    """Whether unnumbered work goes on with what stands before it: same kind or same files."""
    if step.number is not None or (heading is not None and heading.level > 1):
        return False
    here, there = named_paths(work.text, files).scope, named_paths(step.text, files).scope
    if here and there and set(here) & set(there):
        return True
    about_it = stems(work.text) & stems(step.text)
    if category(work.text) in ("testing", "docs"):
        return bool(about_it)
    return category(work.text) == category(step.text)


def _works(block: Block) -> list[Work]:
    """The pieces of work in a block: "add a and then b" is two, the second behind the first."""
    is_item = block.kind is Kind.ITEM
    number = block.number if is_item and block.level == 0 else None
    found: list[Work] = []
    for part in _PARTS.split(block.text):
        work = _with_order(Work(part.strip(), block.line, is_item, number))
        work = replace(work, after_last=work.after_last or bool(found))
        if work.text and not is_vague(work.text) and (is_item or asks_for_work(work.text)):
            found.append(work)
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


def _is_work(block: Block) -> bool:
    return block.kind is Kind.ITEM and not is_vague(block.text)


def _is_parent(entries: Sequence[Placed], index: int) -> bool:
    """Whether a top-level item has items below it that say what it consists of."""
    block = entries[index].block
    following = next((each.block for each in entries[index + 1 :]), None)
    return (
        block.kind is Kind.ITEM
        and block.level == 0
        and following is not None
        and following.kind is Kind.ITEM
        and following.level > 0
    )


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
