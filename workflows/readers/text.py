"""Bytes and strings from outside, made into text that PostgreSQL can store."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from charset_normalizer import from_bytes

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # jsonb and text columns hold neither NUL nor lone surrogates
_CHUNK_BYTES = 1024 * 1024
_SAMPLE_BYTES = 64 * 1024

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is how this one begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# One encoding per script: detection tells scripts apart well, but not the Western code pages from each other.
_LIKELY_ENCODINGS = ["cp1252", "cp1251", "koi8_r", "cp932", "euc_jp", "gb18030", "big5", "cp949"]


def clean_text(text: str) -> str:
    """Return `text` with each NUL and each lone surrogate replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def open_text(path: Path) -> TextIO:
    """Open a text file in the encoding it is found to be in, its line endings untouched; stray bytes read as U+FFFD."""
    return path.open(encoding=detect_encoding(path), errors="replace", newline="")


def detect_encoding(path: Path) -> str:
    """Return the Python name of the file's encoding: by its byte order mark, else UTF-8 if the whole file is
    (nearly) valid UTF-8, else the likeliest of the common encodings, else Windows-1252."""
    with path.open("rb") as file:
        head = file.read(4)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    if _is_utf8(path):
        return "utf-8"
    sample = _non_ascii_sample(path)
    return "utf-8" if _is_mostly_utf8(sample) else _likeliest_encoding(sample)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _is_utf8(path: Path) -> bool:
    """Read the whole file, since the first letter beyond ASCII may stand anywhere (about 1 s for 1 GB)."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _non_ascii_sample(path: Path) -> bytes:
    """Return up to 64 KB around bytes beyond ASCII: the only ones that tell encodings apart."""
    sample = bytearray()
    for chunk in _chunks(path):
        for piece in chunk.split(b"\n"):
            if not piece.isascii():
                sample += piece[:_SAMPLE_BYTES] + b"\n"
            if len(sample) >= _SAMPLE_BYTES:
                return bytes(sample)
    return bytes(sample)


def _is_mostly_utf8(sample: bytes) -> bool:
    """Whether a few damaged bytes stand in text that is otherwise UTF-8."""
    text = sample.decode("utf-8", errors="surrogateescape")
    damaged = len(_UNSTORABLE.findall(text))
    letters = sum(char > "\x7f" for char in text) - damaged
    return letters > 10 * damaged


def _likeliest_encoding(sample: bytes) -> str:
    runs = re.findall(rb"[\x80-\xff]+", sample)
    if sum(map(len, runs)) < 1.5 * len(runs):  # single letters among ASCII, as in no script but the Latin one
        return "cp1252"
    best = from_bytes(sample, cp_isolation=_LIKELY_ENCODINGS).best()
    return best.encoding if best else "cp1252"
