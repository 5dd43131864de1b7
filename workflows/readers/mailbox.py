"""Mail from an mbox file, a single .eml file, a folder of them, or a Maildir; one message in memory at a time."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from workflows.readers.errors import SourceUnreadable
from workflows.readers.files import reading
from workflows.readers.items import MAX_FIELD_BYTES, Item, Position, Problem, checked, too_large
from workflows.readers.message import MessageMalformed, parse_message

MAX_MESSAGE_BYTES = 25 * 1024 * 1024  # attachments included; the usual limit of mail servers
_LINE_BYTES = 64 * 1024  # a longer line is read in pieces

# "From ", perhaps an address, and a date as asctime() writes it; some programs write the bare word. Prose has neither.
_SEPARATOR = re.compile(
    rb"From (?:\s*$|(?:.* )?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:\d+ +)?"
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) .*\d:\d\d)"
)
_SEPARATOR_BYTES = 300  # where in a line the date must have come
_QUOTED_SEPARATOR = re.compile(rb">+From ")


@dataclass(slots=True)
class RawMessage:
    """One message's bytes as they were sent, gathered line by line, up to `limit` bytes.

    offset: of its first byte (its separator) in the file. size_bytes: of all of it, kept or not.
    """

    offset: int
    limit: int
    size_bytes: int = 0
    content: bytearray = field(default_factory=bytearray)

    def add(self, line: bytes) -> None:
        self.size_bytes += len(line)
        if self.is_too_large:
            self.content.clear()
        else:
            self.content += line

    @property
    def is_too_large(self) -> bool:
        return self.size_bytes > self.limit


def read_mailbox(
    path: Path, *, max_field_bytes: int = MAX_FIELD_BYTES, max_message_bytes: int = MAX_MESSAGE_BYTES
) -> Iterator[Item | Problem]:
    """Yield each message's fields (see `parse_message`) in the order of the mailbox.

    path: an mbox file, a message file, a folder of .eml files, or a Maildir (new/ and cur/).
    Raises SourceUnreadable when it is none of these or cannot be opened.
    """
    if path.is_dir():
        return _read_folder(path, max_field_bytes, max_message_bytes)
    return _read_file(path, max_field_bytes, max_message_bytes)


def split_mbox(file: BinaryIO, limit: int) -> Iterator[RawMessage]:
    """Yield the messages of an mbox: each begins with a separator that stands first or after an empty line.

    The separator and the empty line before the next one belong to the format, and are left out; so is one ">" of
    each ">From ", with which the sender's own "From " lines were protected.
    """
    message: RawMessage | None = None
    offset, after_blank = 0, True
    for line in iter(partial(file.readline, _LINE_BYTES), b""):
        if after_blank and line.startswith(b"From ") and _SEPARATOR.match(line[:_SEPARATOR_BYTES]):
            if message:
                yield _without_last_blank(message)
            message = RawMessage(offset, limit)
        elif message:
            message.add(line[1:] if _QUOTED_SEPARATOR.match(line) else line)
        offset += len(line)
        after_blank = line in (b"\n", b"\r\n")
    if message:
        yield _without_last_blank(message)


def _without_last_blank(message: RawMessage) -> RawMessage:
    for ending in (b"\r\n\r\n", b"\n\n"):
        if message.content.endswith(ending):
            surplus = len(ending) // 2
            del message.content[-surplus:]
            message.size_bytes -= surplus
            break
    return message


def _read_file(path: Path, max_field_bytes: int, max_message_bytes: int) -> Iterator[Item | Problem]:
    with reading(path), path.open("rb") as file:
        single = path.suffix.lower() == ".eml" or not _is_mbox(file)
        messages = iter([_whole(file, max_message_bytes)]) if single else split_mbox(file, max_message_bytes)
        for index, message in enumerate(messages, 1):
            yield _item(Position(index, "message", path.name, offset=message.offset), message, max_field_bytes)


def _is_mbox(file: BinaryIO) -> bool:
    """Whether it begins like an mbox; an empty file is a mailbox without messages."""
    head = file.read(_LINE_BYTES).lstrip()
    file.seek(0)
    return not head or head.startswith(b"From ")


def _whole(file: BinaryIO, limit: int) -> RawMessage:
    message = RawMessage(0, limit)
    for piece in iter(partial(file.read, _LINE_BYTES), b""):
        message.add(piece)
    return message


def _item(position: Position, message: RawMessage, max_field_bytes: int) -> Item | Problem:
    if message.is_too_large:
        return Problem(position, too_large("the message", message.size_bytes, message.limit))
    try:
        return checked(position, parse_message(message.content), max_field_bytes)
    except MessageMalformed as error:
        return Problem(position, str(error))


# Folders


def _read_folder(folder: Path, max_field_bytes: int, max_message_bytes: int) -> Iterator[Item | Problem]:
    with reading(folder):
        entries = _message_entries(folder)
    for index, entry in enumerate(entries, 1):
        position = Position(index, "message", f"{folder.name}/{entry.name}")
        if not entry.is_file(follow_symlinks=False):  # a link might lead out of the folders that may be read
            yield Problem(position, "it is a link or a special file; only plain files are read")
            continue
        try:
            with open(entry.path, "rb") as file:
                message = _whole(file, max_message_bytes)
        except OSError as error:
            yield Problem(position, f"the file cannot be read: {error.strerror}")
            continue
        yield _item(position, message, max_field_bytes)


def _message_entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the message files in order of name; a Maildir's names begin with the time of arrival."""
    entries = list(os.scandir(folder))
    boxes = [entry for entry in entries if entry.name in ("new", "cur") and entry.is_dir(follow_symlinks=False)]
    if boxes:
        mail = [entry for box in boxes for entry in os.scandir(box) if not entry.name.startswith(".")]
        return sorted(mail, key=lambda entry: entry.name.split(":")[0])  # flags follow the colon, and change
    mail = [entry for entry in entries if entry.name.lower().endswith(".eml")]
    if entries and not mail:
        raise SourceUnreadable(folder.name, "it holds neither .eml files nor the folders new/ and cur/ of a Maildir")
    return sorted(mail, key=lambda entry: entry.name)
