"""In which encoding a page is written: as its first bytes, its server or its own head say."""

from __future__ import annotations

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"),
          (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip
_IN_TYPE = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_IN_HEAD = re.compile(
    rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)|^\s*<\?xml\b[^>]*?encoding=[\"']([\w.:-]+)",
    re.I,
)
_HEAD_BYTES = 4096
# What browsers know, and no codec of Python that is none of a page.
_KNOWN = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|(?:us-)?ascii|iso-?8859-?\d+|latin-?\d|windows-?\d+|cp\d+|koi8-?[ru]"
    r"|shift[_-]?jis|sjis|euc-?(?:jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5(?:-hkscs)?|macintosh"
)
# Those names promise less than the pages that bear them hold.
_WIDER = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "shift_jis": "cp932"}
_OTHERWISE = "cp1252"


def text_of(content: bytes, content_type: str, *, is_page: bool) -> str:
    """Return a page, or other text, decoded; what cannot be is replaced, and nothing raises.

    Text that says nothing of its encoding is UTF-8, or else Western.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    named = _IN_TYPE.search(content_type)
    encoding = _codec(named[1]) if named else None
    if encoding is None and is_page and (found := _IN_HEAD.search(content[:_HEAD_BYTES])):
        encoding = _codec((found[1] or found[2]).decode("ascii", "replace"))
        if encoding is not None and encoding.startswith("utf-16"):
            encoding = "utf-8"  # or it could not have been read
    if encoding is not None:
        return content.decode(encoding, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode(_OTHERWISE, "replace")


def _codec(label: str) -> str | None:
    """Return Python's name of an encoding; None for one that no page has."""
    label = label.strip().lower().removeprefix("x-")
    if not _KNOWN.fullmatch(label):
        return None
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    return _WIDER.get(name, name)
