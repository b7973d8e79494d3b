"""The text of an HTML page: what a reader sees of it, a block a line."""

from __future__ import annotations

import re
from html.parser import HTMLParser

# The end of a head need not be written: what no reader sees of it is named one by one.
_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "title"})
# Where a word may be broken, which nobody sees nor copies.
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_BLOCKS = re.compile(
    r"address|article|aside|blockquote|br|caption|dd|details|div|dl|dt|fieldset|figure|footer|form"
    r"|h[1-6]|header|hr|legend|li|main|nav|ol|option|p|pre|section|summary|table|td|th|tr|ul"
)


def page_text(page: str) -> bytes:
    """Return the text of a page in UTF-8; the same page gives the same text."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    lines = (line.rstrip() for line in "".join(reader.parts).translate(_UNSEEN).splitlines())
    return (
        re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n").encode("utf-8", "replace") + b"\n"
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        self._pre += tag == "pre"
        if _BLOCKS.fullmatch(tag):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        self._pre = max(0, self._pre - (tag == "pre"))
        if _BLOCKS.fullmatch(tag):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._pre:
            self.parts.append(data)
            return
        text = re.sub(r"\s+", " ", data)
        begins_line = not self.parts or self.parts[-1].endswith("\n")
        self.parts.append(text.lstrip() if begins_line else text)
