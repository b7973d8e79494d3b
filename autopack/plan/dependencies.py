"""How the phases of a plan depend on each other: what is wrong with it, and who runs when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import NamedTuple, Protocol, TypeVar

from autopack.model.counted import counted
from autopack.plan.values import shown

NO_SUCH_PHASE = "no phase has the id"


class Placed(Protocol):
    """What a phase says of its place in the plan."""

    @property
    def id(self) -> str: ...
    @property
    def tier(self) -> str: ...
    @property
    def depends_on(self) -> Sequence[str]: ...


PlacedT = TypeVar("PlacedT", bound=Placed)


class _Place(NamedTuple):
    id: str
    tier: str
    depends_on: tuple[str, ...]


class Misfit(NamedTuple):
    """Something wrong between phases; ``loc`` is its place in the plan."""

    loc: tuple[str | int, ...]
    message: str


def misfits(phases: Sequence[Placed], *, most: int) -> list[Misfit]:
    """Everything that keeps ``phases`` from being put in order, or makes them too many."""
    found = [*_too_many(phases, most), *_repeated_ids(phases), *_cycle(phases)]
    in_cycle = {misfit.loc for misfit in found}
    found += [misfit for misfit in _bad_dependencies(phases) if misfit.loc not in in_cycle]
    return found


def in_order(phases: Sequence[PlacedT]) -> tuple[PlacedT, ...]:
    """Tier by tier, then dependencies first, then as in the file; ``phases`` has no misfits."""
    places = tuple(_Place(one.id, one.tier, tuple(one.depends_on)) for one in phases)
    return tuple(phases[index] for index in _order(places))


@lru_cache(maxsize=8)
def _order(phases: tuple[_Place, ...]) -> tuple[int, ...]:
    rank = _tier_ranks(phases)
    sorter = _sorter(phases)
    sorter.prepare()
    waiting: list[tuple[int, int]] = []
    ordered: list[int] = []
    while sorter.is_active():
        for index in sorter.get_ready():
            heappush(waiting, (rank[phases[index].tier], index))
        _, first = heappop(waiting)
        ordered.append(first)
        sorter.done(first)
    return tuple(ordered)


def _too_many(phases: Sequence[Placed], most: int) -> Iterator[Misfit]:
    if len(phases) > most:
        yield Misfit(
            ("phases",),
            f"has {counted(len(phases), 'phase')} and budget.phases allows {most}; "
            "raise budget.phases or split the plan",
        )


def _repeated_ids(phases: Sequence[Placed]) -> Iterator[Misfit]:
    places = _places(phases)
    for index, phase in enumerate(phases):
        if places[phase.id] != index:
            yield Misfit(
                ("phases", index, "id"),
                f"{phase.id!r} is the id of phases[{places[phase.id]}] too",
            )


def _cycle(phases: Sequence[Placed]) -> Iterator[Misfit]:
    try:
        _sorter(phases).prepare()
    except CycleError as error:
        # graphlib lists each member before the one that needs it, and the first one twice.
        members: list[int] = error.args[1][:0:-1]
        start = members.index(min(members))
        around = [*members[start:], *members[: start + 1]]
        chain = " -> ".join(phases[index].id for index in around)
        yield Misfit(("phases", min(members), "depends_on"), f"goes round in a cycle: {chain}")


def _bad_dependencies(phases: Sequence[Placed]) -> Iterator[Misfit]:
    places, rank = _places(phases), _tier_ranks(phases)
    for index, phase in enumerate(phases):
        for other in phase.depends_on:
            if complaint := _complaint(phase, other, phases, places, rank):
                yield Misfit(("phases", index, "depends_on"), complaint)


def _complaint(
    phase: Placed,
    other: str,
    phases: Sequence[Placed],
    places: dict[str, int],
    rank: dict[str, int],
) -> str | None:
    if other == phase.id:
        return f"{other!r} is the phase itself"
    if other not in places:
        close = get_close_matches(other, places, n=1)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        return f"{NO_SUCH_PHASE} {shown(other)}{suggestion}"
    tier = phases[places[other]].tier
    if rank[tier] > rank[phase.tier]:
        return (
            f"{other!r} is of tier {tier}, which runs after {phase.tier}; "
            "tiers run in order of first appearance"
        )
    return None


def _sorter(phases: Sequence[Placed]) -> TopologicalSorter[int]:
    places = _places(phases)
    return TopologicalSorter(
        {
            index: [
                places[other] for other in phase.depends_on if other in places and other != phase.id
            ]
            for index, phase in enumerate(phases)
        }
    )


def _places(phases: Sequence[Placed]) -> dict[str, int]:
    """Return where each id appears first."""
    places: dict[str, int] = {}
    for index, phase in enumerate(phases):
        places.setdefault(phase.id, index)
    return places


def _tier_ranks(phases: Sequence[Placed]) -> dict[str, int]:
    return {tier: rank for rank, tier in enumerate(dict.fromkeys(p.tier for p in phases))}
