"""The readable text of an HTML document."""

import re
from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

_BREAK: Final = "\x02"  # stands for half a line break until the document's own white space is folded
# How many breaks come before and after an element; up to two in a row make a new line, more an empty line.
_PARAGRAPHS: Final = dict.fromkeys("p h1 h2 h3 h4 h5 h6 blockquote dl ol pre table ul hr".split(), 3)
_LINES: Final = dict.fromkeys(
    "address article aside center dd div dt fieldset footer form header li main nav section tr".split(), 1
)
_BREAKS: Final = _PARAGRAPHS | _LINES | {"br": 1}
_UNSEEN: Final = frozenset({"head", "title", "script", "style", "template", "noscript"})


def html_to_text(html: str) -> str:
    """Return what a reader would see: tags gone, entities decoded, a line per block, white space folded.

    Broken markup is read as far as it goes; time is linear in the length.
    """
    collector = _TextCollector()
    parser = etree.HTMLParser(target=collector, encoding="utf-8")
    parser.feed(html.replace(_BREAK, " ").encode())
    parser.close()
    folded = re.sub(r"\s+", " ", "".join(collector.pieces))
    return re.sub(f" ?{_BREAK}[ {_BREAK}]*", _line_end, folded).strip()


def _line_end(match: re.Match[str]) -> str:
    return "\n" if match[0].count(_BREAK) <= 2 else "\n\n"


class _TextCollector:
    """Takes the parser's events; no tree is built, since a hostile document may nest without end."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._unseen = 0

    def start(self, tag: str | bytes, attrib: Mapping[Any, Any]) -> None:
        self._unseen += tag in _UNSEEN
        self.pieces.append(" " if tag in ("td", "th") else _BREAK * _BREAKS.get(str(tag), 0))

    def end(self, tag: str | bytes) -> None:
        self._unseen -= tag in _UNSEEN
        self.pieces.append(_BREAK * _BREAKS.get(str(tag), 0))  # a `br` is closed at once, so it makes two

    def data(self, data: str | bytes) -> None:
        if not self._unseen:
            self.pieces.append(str(data))

    def comment(self, text: str | bytes) -> None:
        """Comments are not seen."""

    def close(self) -> None:
        """The text is in `pieces`."""
