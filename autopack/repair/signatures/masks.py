"""Replaces what changes from one occurrence of a message to the next by ``<*>``.

One pass over the text with one expression, whose alternatives are all bounded or anchored to the
beginning of a word, so that the time is linear in the text. What is replaced is general: nothing
here knows a program. Error codes (``TS2322``, ``E0432``, ``[Errno 13]``, the exit status of a
signal) are kept, for they tell kinds of failures apart.
"""

from __future__ import annotations

import re

WILDCARD = "<*>"

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?(?:[.,:]\d{1,9})?(?: ?[AP]M\b)?"
_ENDINGS = (
    "py|pyi|pyx|ipynb|js|jsx|cjs|mjs|ts|tsx|mts|cts|vue|svelte|go|rs|java|kt|kts|scala|groovy"
    "|gradle|c|cc|cpp|cxx|h|hpp|cs|rb|php|sh|bash|ps1|sql|json|jsonl|toml|ya?ml|lock|cfg|ini|conf"
    "|env|properties|xml|html?|css|scss|md|rst|txt|csv|log|mod|sum|so|dll|exe|jar|whl|gz|tgz|zip"
    "|tar|pem|crt|key|pid|sock|db|sqlite3?|snap|proto|map|tmp|bak|out|plist|app"
)
_AT = r"(?:(?::\d{1,7}){1,3}|\(\d{1,7}(?:,\d{1,7})?\)|:?\[\d{1,7}(?:,\d{1,7})?\])?"

_KEPT = (
    # A code of a compiler or a linter; an errno; what a shell says of a signal.
    r"(?<![\w.-])[A-Z]{1,6}\d{3,5}(?![\w-])(?!\.\w)"
    r"|\[(?:Errno|WinError) -?\d{1,5}\]"
    r"|\b[Ee]xit(?:ed with)? (?:code|status)[: ]{1,2}(?:12[4-7]|13\d|14[0-3])\b"
)
_QUOTED = (
    r"(?<!\w)'[^'\n]{0,300}'(?!\w)"
    r'|"[^"\n]{0,400}"'
    r"|`[^`\n]{0,300}`"
    # As compilers and word processors print them.
    r"|\u2018[^\u2019\n]{0,300}\u2019|\u201c[^\u201d\n]{0,300}\u201d"
)
_VARIABLE = (
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>`\])]+"
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    # Times: as ISO has them, as syslog has them, as C's asctime has them, a clock alone.
    rf"|\b\d{{4}}[-/.]\d\d[-/.]\d\d(?:[T ,_-]{_CLOCK})?(?:Z\b|[ ]?[+-]\d\d:?\d\d\b)?"
    rf"|\b(?:{_DAY},? )?{_MONTH} {{1,2}}\d{{1,2}}(?:,? {_CLOCK})?(?: \d{{4}})?\b"
    rf"|\b\d\d/(?:\d\d|{_MONTH})/\d{{2,4}}(?:[ :]{_CLOCK})?(?: [+-]\d{{4}})?\b"
    rf"|(?<![\w.:])\d{{1,2}}:\d\d:\d\d(?:[.,:]\d{{1,9}})?(?![\w:])"
    # Addresses: IPv4, IPv6 and hardware, mail, a package with its version, a host.
    r"|/?\b\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d{1,5})?\b"
    r"|(?<![\w:])(?:[0-9a-fA-F]{0,4}:){3,7}(?:[0-9a-fA-F]{1,4}|:)(?![\w:])"
    r"|(?<![\w@])@?[\w.+/-]{1,100}@[\^~=]{0,2}[\w.+-]{1,100}"
    r"|(?<![\w.@-])[A-Za-z][\w-]{0,60}(?:\.[\w-]{1,60}){1,8}:\d{2,5}(?![\w:.])"
    r"|\blocalhost(?::\d{1,5})?\b"
    # Paths: of Windows, absolute, relative with a slash, a file by its ending; with a place in it.
    rf"|\b[A-Za-z]:[\\/][^\s\"'<>|:*?,;()]{{1,400}}{_AT}"
    rf"|(?<![\w.)\]>])(?:~|\.{{1,2}})?(?:/[\w.@%+~$=*-]{{1,200}}){{1,40}}/?{_AT}"
    rf"|(?<![\w/.@-])[\w.@$+-]{{1,200}}(?:/[\w.@$%+~=-]{{1,200}}){{1,40}}/?{_AT}"
    rf"|(?<![\w/.$-])[\w.+-]{{1,200}}?\.(?:{_ENDINGS})(?![\w-])(?!\.\w){_AT}"
    r"|(?<![\w.@-])[\w-]{1,60}(?:\.[\w-]{1,60}){0,8}\.(?:com|net|org|edu|gov|local|internal|cn|hk)(?![\w.])"
    # Numbers: of memory, of contents, with a unit.
    r"|\b0[xX][0-9a-fA-F]{1,64}\b"
    r"|\b(?=[a-fA-F]{0,63}\d)(?=\d{0,63}[a-fA-F])[0-9a-fA-F]{7,64}\b"
    r"|(?<![\w.])(?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|µs|ms|[smhd](?![a-z]))){1,5}(?!\w)"
    r"|(?<![\w.<])<?\d{1,15}(?:[.,]\d{1,15})?[ ]?(?:(?:[kKMGT]i?)?[Bb](?:ytes?)?"
    r"|(?:milli|micro|nano)?sec(?:ond)?s?|ms|min(?:ute)?s?|hours?|days?)\b"
)
# A word with several numbers in it, such as an id or a name with its version.
_COMPOUND = r"(?<![\w.$-])[A-Za-z0-9]{1,200}(?:[_.$:-]{1,2}[A-Za-z0-9]{1,200}){1,40}"
_ASSIGNED = r"(?<=[\w\]])=(?![=>~\s])[^\s,;)\]}'\"=]{1,300}"
_NUMBER = r"(?<![A-Za-z0-9])[-+]?\d{1,400}(?:[.,:]\d{1,400}){0,8}|\d{1,400}"

# Most of a message is plain words, where nothing else can begin: passing a run of them at once, and
# looking at no letter inside a word, takes a quarter of the time.
_PLAIN = (
    rf"(?<!\S)(?:(?!(?:{_DAY}|{_MONTH}|[Ee]xit(?:ed)?|localhost)\b)[A-Za-z]{{1,60}} (?! )){{1,60}}"
)
_MASK = re.compile(
    rf"(?P<plain>{_PLAIN})|(?:(?<![A-Za-z])|(?![A-Za-z]))(?:"
    rf"(?P<kept>{_KEPT})|(?P<quoted>{_QUOTED})|(?P<variable>{_VARIABLE})"
    rf"|(?P<compound>{_COMPOUND})|(?P<assigned>{_ASSIGNED})|{_NUMBER})"
)
_DIGITS = re.compile(r"(?<![A-Za-z0-9])-?\d+|\d+")
_RUN = re.compile(r"<\*>(?:(?:[ ,;:|/.&+-]|\s?\band\s){0,4}<\*>)+")
_PLURAL = re.compile(r"(<\*> [A-Za-z]{2,30}?[a-hj-rtv-z])(?:\(s\)|s)(?!\w)")
_COUNTED = f"{WILDCARD} "
_SPACES = re.compile(r"[\t\r\f\v][ \t\r\f\v]*| [ \t\r\f\v]+")
_PROSE = re.compile(r"[A-Za-z][a-z']*[,.:;]?(?: \S+){3,}")
_PLAIN_WORD = re.compile(r"[A-Za-z][a-z']*[,.:;]?")
_FUNCTION_WORD = re.compile(
    r"\b(?:an?|the|this|to|of|is|are|was|be|been|not|no|for|in|on|at|with|from|by|and|or|cannot"
    r"|could|failed|error)\b",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """Return ``text`` with everything variable as ``<*>``, runs of those as one."""
    masked = _MASK.sub(_replace, text)
    if masked.count(WILDCARD) > 1:
        masked = _RUN.sub(WILDCARD, masked)
    if _COUNTED in masked:
        masked = _PLURAL.sub(r"\1", masked)
    return _SPACES.sub(" ", masked).strip()


def _replace(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind in ("plain", "kept"):
        return found[0]
    if kind == "quoted":
        inner = found[0][1:-1]
        return mask(inner) if _is_prose(inner) else WILDCARD
    if kind == "compound":
        numbers = len(_DIGITS.findall(found[0]))
        return WILDCARD if numbers > 1 else _DIGITS.sub(WILDCARD, found[0])
    if kind == "assigned":
        return f"={WILDCARD}"
    return WILDCARD


def _is_prose(quoted: str) -> bool:
    """Return whether a quoted text is a message rather than a value: mostly plain words,
    and one of those that no sentence goes without."""
    if not _PROSE.match(quoted) or not _FUNCTION_WORD.search(quoted):
        return False
    words = quoted.split()
    return sum(bool(_PLAIN_WORD.fullmatch(word)) for word in words) * 3 >= len(words) * 2
