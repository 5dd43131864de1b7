"""One e-mail message, from its bytes to the fields of a record. Written for mail as it is, not as RFC 5322 wants it."""

import hashlib
import re
from collections.abc import Iterator
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesFeedParser
from email.policy import Compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from workflows.readers.html import html_to_text
from workflows.readers.items import too_large
from workflows.readers.text import clean_text

# What the standard parser and decoders are known to raise on damaged or hostile input.
_UNPARSABLE = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)

_MAX_HEADER_BYTES = 256 * 1024  # some 5,000 recipients; address parsing takes time quadratic in the length
# Lengths are bounded to keep the search linear. A word may be 75 long; senders go beyond it.
_ENCODED_WORD = r"=\?[^?\s]{1,60}\?[bBqQ]\?.{0,400}?\?="
_ENCODED_WORDS = re.compile(rf"{_ENCODED_WORD}(?:\s*{_ENCODED_WORD})*")
_ADDRESS = re.compile(r"[^\s<>\"(),:;@\[\]]{1,128}@[^\s<>\"(),:;@]{1,255}")
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)

# Labels that old software put on text in a larger character set, or that mean nothing.
_CHARSETS = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
}
# Codecs that are not character sets; some take time quadratic in the length.
_NOT_CHARSETS = {"idna", "punycode", "unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape"}


class MessageMalformed(Exception):
    """The bytes are no message; the text says why."""


class _RawHeaders(Compat32):
    """Hands out header values as they stand, bytes beyond ASCII as surrogates, so that they are decoded here."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


_POLICY = _RawHeaders()
_CHUNK_BYTES = 64 * 1024


def parse_message(content: bytes | bytearray) -> dict[str, Any]:
    """Return the fields of one message.

    message_id (without brackets; a digest of the content where there is none), subject, sender ("Ada <ada@x.example>"),
    sender_name, sender_email, recipients (addresses of To and Cc), date (ISO 8601 with zone, None when absent or not a
    date), reply_to, in_reply_to, list_id (None when absent), text (plain; from the HTML where there is no plain text),
    has_html, attachments [{filename, content_type, size_bytes}], size_bytes.
    Raises MessageMalformed when there is no header at all, or the parser cannot make sense of it.
    """
    try:
        return _fields(_parsed(content), content)
    except _UNPARSABLE as error:
        raise MessageMalformed(f"the message cannot be parsed: {type(error).__name__}: {str(error)[:200]}") from error


def _parsed(content: bytes | bytearray) -> Message:
    parser = BytesFeedParser(policy=_POLICY)
    for start in range(0, len(content), _CHUNK_BYTES):  # at once it would be copied with four bytes to a character
        parser.feed(content[start : start + _CHUNK_BYTES])
    message = parser.close()
    if not message.keys():
        text = clean_text(_decode(content.lstrip().split(b"\n", 1)[0][:60], None)).strip()
        raise MessageMalformed(f"the message has no headers; it begins {text!r}" if text else "the message is empty")
    for name, value in message.items():
        if len(value) > _MAX_HEADER_BYTES:
            raise MessageMalformed(too_large(f"header {name[:80]!r}", len(value), _MAX_HEADER_BYTES))
    return message


def _fields(message: Message, content: bytes | bytearray) -> dict[str, Any]:
    sender = _raw(message, "From") or _raw(message, "Sender")
    name, address = _name_and_address(sender)
    return {
        "message_id": _identifier(_raw(message, "Message-ID")) or _digest(content),
        "subject": _text_header(_raw(message, "Subject")),
        "sender": _text_header(sender),
        "sender_name": name,
        "sender_email": address,
        "recipients": _recipients(message),
        "date": _date(_raw(message, "Date")),
        "reply_to": _name_and_address(_raw(message, "Reply-To"))[1] or None,
        "in_reply_to": _identifier(_raw(message, "In-Reply-To")),
        "list_id": _identifier(_raw(message, "List-Id")),
        "text": clean_text(_body_text(message)).strip(),
        "has_html": any(_is_html(part) for part in _leaves(message)),
        "attachments": [_attachment(part) for part in _leaves(message) if not _is_body(part)],
        "size_bytes": len(content),
    }


# Headers


def _raw(message: Message, name: str) -> str:
    """Return the first header of that name on one line, "" when absent."""
    return _unfolded(message.get(name, ""))


def _unfolded(value: str) -> str:
    return " ".join(line.strip() for line in re.split(r"[\r\n]+", value)).strip()


def _text_header(raw: str) -> str:
    """Return a header as text: encoded words (RFC 2047) decoded, stray bytes read as UTF-8 or Windows-1252."""
    text = _decode(raw.encode("utf-8", "surrogateescape"), None)
    return clean_text(_ENCODED_WORDS.sub(_decoded_words, text))


def _decoded_words(match: re.Match[str]) -> str:
    try:
        parts = decode_header(match[0])
    except HeaderParseError:
        return match[0]
    return "".join(
        part if isinstance(part, str) else _decode(part, charset and charset.split("*")[0]) for part, charset in parts
    )


def _name_and_address(raw: str) -> tuple[str, str]:
    """Return display name and address of the first address that looks like one; either may be ""."""
    pairs = getaddresses([raw])
    name, address = next((pair for pair in pairs if _ADDRESS.fullmatch(pair[1])), ("", ""))
    if address:
        return _text_header(name), clean_text(address)
    found = _ADDRESS.search(raw)
    before = raw[: found.start()] if found else raw
    return _text_header(before).strip(" \"'<(,"), clean_text(found[0]) if found else ""


def _recipients(message: Message) -> list[str]:
    lines = [_unfolded(line) for name in ("To", "Cc") for line in message.get_all(name, [])]
    addresses = [address for _, address in getaddresses(lines) if _ADDRESS.fullmatch(address)]
    addresses = addresses or _ADDRESS.findall(" ".join(lines))
    return list(dict.fromkeys(clean_text(address) for address in addresses))


def _identifier(raw: str) -> str | None:
    """Return what stands in the first <angle brackets>, or the whole value where there are none."""
    found = re.search(r"<([^<>]+)>", raw)
    return clean_text(found[1] if found else raw).strip() or None


def _digest(content: bytes | bytearray) -> str:
    """Return an id for a message that has none: the same wherever, and with whatever line ends, it is stored."""
    return "sha256:" + hashlib.sha256(content.replace(b"\r\n", b"\n").strip()).hexdigest()[:32]


def _date(raw: str) -> str | None:
    """Return the instant in ISO 8601; a zone that is missing is UTC, a year 102 is 2002 (RFC 5322, section 4.3)."""
    try:
        date = parsedate_to_datetime(raw)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.year < 1000:
        date = date.replace(year=date.year + 1900)
    return date.isoformat() if date.tzinfo else f"{date.isoformat()}+00:00"


# Body


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold content, in order; a forwarded message is one part, not its parts."""
    waiting: list[Message] = [message]
    while waiting:
        part = waiting.pop()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            waiting.extend(reversed(_children(part)))
        else:
            yield part


def _children(part: Message) -> list[Message]:
    payload = part.get_payload() if part.is_multipart() else None
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _body_text(part: Message) -> str:
    """Return the text of a part: the first alternative that has any, else all that is not an attachment."""
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        texts = (text for child in _children(part) if (text := _body_text(child).strip()))
        return next(texts, "") if part.get_content_subtype() == "alternative" else "\n\n".join(texts)
    if not _is_body(part):
        return ""
    return html_to_text(_content_text(part)) if _is_html(part) else _content_text(part)


def _is_body(part: Message) -> bool:
    """Whether a leaf is text to be read here; a multipart whose boundary is missing is read as the text it is."""
    if part.get_content_disposition() not in (None, "inline"):
        return False
    return part.get_content_type() in ("text/plain", "text/html") or (
        part.get_content_maintype() == "multipart" and not part.is_multipart()
    )


def _is_html(part: Message) -> bool:
    return part.get_content_type() == "text/html" and _is_body(part)


def _content_text(part: Message) -> str:
    content = _content(part)
    charset = part.get_content_charset()
    if charset is None and (found := _META_CHARSET.search(content[:2048])) and _is_html(part):
        charset = found[1].decode("ascii")
    return clean_text(_decode(content, charset)).replace("\r\n", "\n")


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _attachment(part: Message) -> dict[str, Any]:
    """Describe an attachment; the size of a forwarded message is that of its own parts."""
    filename = _text_header(_unfolded(part.get_filename() or ""))
    nested = [leaf for child in _children(part) for leaf in _leaves(child)]
    return {
        "filename": re.split(r"[/\\]", filename)[-1] or None,
        "content_type": clean_text(part.get_content_type()),
        "size_bytes": sum(len(_content(leaf)) for leaf in nested or [part]),
    }


def _decode(content: bytes | bytearray, charset: str | None) -> str:
    """Return the text in the charset it is labelled with; without a usable label UTF-8, else Windows-1252."""
    label = (charset or "utf-8").strip().lower()
    if label in _NOT_CHARSETS:
        label = "utf-8"
    try:
        return content.decode(_CHARSETS.get(label, label))
    except (LookupError, ValueError):  # no such charset; bytes that it does not have
        pass
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
