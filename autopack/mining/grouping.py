"""Groups failure texts: by signature, and the signatures by family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autopack.mining.families.families import families
from autopack.repair.classify.classifier import classify
from autopack.repair.signatures.signature import Signed, sign

FAMILY_DIGITS = 12


@dataclass(frozen=True)
class Group:
    """All texts of one signature: how many, the first of them, and what it says.

    ``family`` is the beginning of the first signature of the family. ``type`` is the failure's
    cause by the classifier, ``exception`` the exception type where the text names one.
    """

    signature: str
    family: str
    type: str
    count: int
    sample: str
    normalised: str
    exception: str | None


@dataclass(frozen=True)
class Grouped:
    """The signature of each text in their order, and the groups, most frequent first."""

    signatures: tuple[str, ...]
    groups: tuple[Group, ...]


def group(texts: Iterable[str]) -> Grouped:
    """Return the texts by signature and family."""
    order: list[str] = []
    first: dict[str, tuple[Signed, str]] = {}
    counts: dict[str, int] = {}
    for text in texts:
        signed = sign(text)
        order.append(signed.signature)
        first.setdefault(signed.signature, (signed, text))
        counts[signed.signature] = counts.get(signed.signature, 0) + 1
    family = family_names({name: signed.normalised for name, (signed, _) in first.items()})
    groups = [
        Group(
            signature=name,
            family=family[name],
            type=classify(exit_status=None, output=text).cause.value,
            count=counts[name],
            sample=text,
            normalised=signed.normalised,
            exception=signed.exception,
        )
        for name, (signed, text) in first.items()
    ]
    return Grouped(tuple(order), tuple(sorted(groups, key=lambda one: -one.count)))


def family_names(normalised: dict[str, str]) -> dict[str, str]:
    """Return the family of each signature, given its normalised line."""
    signatures: Sequence[str] = list(normalised)
    numbers = families([normalised[signature] for signature in signatures])
    names: dict[int, str] = {}
    for signature, number in zip(signatures, numbers, strict=True):
        names.setdefault(number, signature[:FAMILY_DIGITS])
    return {signature: names[number] for signature, number in zip(signatures, numbers, strict=True)}
