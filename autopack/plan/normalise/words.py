"""Which words ask for work, and which say nothing about it; everything matches whole words."""

from __future__ import annotations

import re


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text``, parted by blanks."""
    return frozenset(text.split())


_VERBS = word_set(
    """
accept add adjust adopt allow announce apply archive assert avoid bring build bump cache calculate
call change check clean clear close collect compare compile compress compute configure connect
convert copy correct count cover create cut define delete deploy deprecate derive describe design
detect determine develop disable display do document drop emit enable encrypt ensure escape expand
expose export extend extract fetch filter find finish fix format generate give group guard handle
harden hide hook implement import improve include increase index inline insert install integrate
introduce keep let limit link list load localise localize lock log lower make map mark measure merge
migrate mock modernise modernize modify move normalise normalize notify offer open optimise optimize
package paginate parse patch persist port prepare prevent print process profile protect provide
publish push put raise read rebuild record reduce refactor register reject release reload remove
rename render reorganise reorganize repair replace report require reset resolve restore restrict
retry return review rewrite rework rotate run sanitise sanitize save scaffold schedule secure send
separate serve set setup share show simplify skip sort speed split start stop store stream
strengthen strip style support swap switch sync synchronise synchronize teach test throttle tidy
tighten track translate trim tune turn type unify unit-test update upgrade upload use validate
verify wire wrap write
"""
)
_CREATING = word_set(
    "add build create define design develop generate implement introduce new put scaffold setup "
    "start write"
)
_LEADING = re.compile(
    r"^(?:please|then|first(?:ly)?|second(?:ly)?|third(?:ly)?|next|finally|lastly|also|and|just|now"
    r"|afterwards?|after that|once (?:that|this) is done|in addition|additionally|optionally"
    r"|we (?:need|want|have|should|must)(?: to)?|you (?:need to|should|must|have to)"
    r"|(?:could|can|would|will) you(?: please)?|it would be (?:nice|great|good) to"
    r"|i (?:want|need|would like)(?: you)? to|let'?s|should|must|need to|to)\b[,:]?\s+",
    re.IGNORECASE,
)
_COURTESY = re.compile(r"^(?:please )?let (?:me|us) know\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")  # noqa: RUF001
_VAGUE = word_set(
    "anything etc everything nothing somehow something stuff thing things tbd todo whatever"
)
_WEAK = word_set(
    """
a about all an and any app application as at be best better bit bug bugs by change changes clean
cleaner code codebase do easier etc everything fast faster few fix for general good great i
improve improvements in into is it its job little make more new nice nicer of on or other our
perfect performance please product program project quality quick quicker readability really repo
repository simpler software some stuff system task thank thanks that the their them thing things
this to up update updates vague very we well whole with work working you your
"""
)
_ENGLISH = word_set(
    "the to of and for it that with should this be when from are was not you please add fix"
)
_REQUIREMENT = re.compile(r"\b(?:must|shall|should|needs? to|has to|have to)\b", re.IGNORECASE)
_SPECIFIC = re.compile(r"`[^`]+`|\w/\w|\w\.\w{1,5}\b|\w_\w|[a-z][A-Z]|\d|\"[^\"]+\"|[^\x00-\x7f]")
_DEFECT = re.compile(
    r"\b(?:(?:is|are|was|were|gets?) (?:\w+ )?(?:wrong|broken|missing|incorrect|slow|lost|ignored|"
    r"duplicated|corrupt(?:ed)?)|fails?|crash(?:es)?|leaks?|(?:does|do)(?: not|n't) work)\b",
    re.IGNORECASE,
)


def without_leading(text: str) -> str:
    """``text`` without what comes before its verb: "Then", "We need to", "Please"."""
    while True:
        shorter = _LEADING.sub("", text, count=1)
        if shorter == text or not shorter:
            return text
        text = shorter


def starts_with_verb(text: str, *, capital: bool = False) -> bool:
    """Return whether ``text`` asks for something: its first word, leading words aside, is a
    verb.
    """
    if (capital and not text[:1].isupper()) or _COURTESY.match(text):
        return False
    first = _WORD.match(without_leading(text))
    return first is not None and first[0].lower() in _VERBS


def creates(text: str) -> bool:
    """Return whether ``text`` speaks of making something new."""
    return any(word.lower() in _CREATING for word in _WORD.findall(text))


def is_vague(text: str) -> bool:
    """Return whether ``text`` names no object at all: "do something", "etc"."""
    rest = [word.lower() for word in _WORD.findall(without_leading(text))]
    rest = [word for word in rest if word not in ("a", "an", "the", "some", "with", "to", "for")]
    objects = rest[1:] if rest and rest[0] in _VERBS else rest
    return not objects or objects[0] in _VAGUE


def is_concrete(text: str) -> bool:
    """Return whether ``text`` has a word besides its verb that tells this piece of work from
    others.
    """
    rest = [word.lower() for word in _WORD.findall(without_leading(text))]
    objects = rest[1:] if rest and rest[0] in _VERBS else rest
    return any(word not in _WEAK and word not in _VAGUE for word in objects)


def is_english(text: str) -> bool:
    """Return whether ``text`` has one of the small words that hardly another language has."""
    return not _ENGLISH.isdisjoint(word.lower() for word in _WORD.findall(text))


def is_specific(text: str) -> bool:
    """Return whether ``text`` names a file, code, a number or a name that only this project has."""
    return bool(_SPECIFIC.search(text))


def asks_for_work(text: str) -> bool:
    """Return whether a sentence asks for work: an order, a requirement, or a fault to fix."""
    return starts_with_verb(text) or bool(_REQUIREMENT.search(text) or _DEFECT.search(text))


def stems(text: str) -> frozenset[str]:
    """Return the telling words of ``text``, without their endings, for comparing what they are
    about.
    """
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(
        re.sub(r"(?:ing|ed|es|s)$", "", word)
        for word in words
        if len(word) > 2 and word not in _WEAK and word not in _VERBS
    )
