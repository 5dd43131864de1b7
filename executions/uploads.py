"""Files that people upload with an answer: kept in the data folder, one folder for each prompt, never overwritten."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import get_valid_filename

from director.jsontools import pointer
from executions.prompts.errors import AnswerInvalid

FOLDER = "prompts"
MAX_BYTES = 50 * 1024 * 1024
MAX_FILES = 100  # of one prompt; whoever is asked may send one again and again
MAX_NAME = 150
# What a field of `format: file` may say beside the keywords of JSON Schema.
ACCEPT, LARGEST = "accept", "maxBytes"

Problem = dict[str, str]


def store(prompt: str, field: str, rules: Mapping[str, Any], upload: UploadedFile[Any]) -> dict[str, Any]:
    """Keep an upload and return `{path, name, size}`; path is relative to the uploads folder, as steps read it.

    rules: the field's schema. Raises AnswerInvalid for a file that is too large, of another kind, or one too many.
    """
    size, name = upload.size or 0, upload.name or "file"
    folder = Path(settings.UPLOADS_DIR) / FOLDER / prompt
    found = list(problems(field, rules, name, size))
    if folder.is_dir() and sum(1 for _ in folder.iterdir()) >= MAX_FILES:
        found.append(_problem(field, f"At most {MAX_FILES} files are taken for one prompt.", "too_many"))
    if found:
        raise AnswerInvalid(found)
    path = PurePosixPath(FOLDER, prompt, secrets.token_hex(8), _safe(name))
    target = Path(settings.UPLOADS_DIR) / path
    target.parent.mkdir(parents=True, mode=0o700)
    with target.open("xb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    return {"path": str(path), "name": name, "size": size}


def problems(field: str, rules: Mapping[str, Any], name: str, size: int) -> Iterator[Problem]:
    """Yield why the field does not take such a file. Its kind is told by the ending of its name."""
    largest = min(MAX_BYTES, rules.get(LARGEST, MAX_BYTES))
    if size > largest:
        yield _problem(field, f"{name} has {size:,} bytes; at most {largest:,} are taken.", "too_large")
    endings = rules.get(ACCEPT)
    if endings and not name.lower().endswith(tuple(str(one).lower() for one in endings)):
        yield _problem(field, f"{name} is not of a kind that is taken here: {', '.join(endings)}.", "accept")


def stored_problems(prompt: str, field: str, rules: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with a file that an answer names: a path is no permission to read it, nor its size a fact."""
    path = str(value.get("path"))
    if not is_of(prompt, path):
        yield _problem(field, "This file was not uploaded for this prompt. Upload it first, or send it along.", "file")
        return
    size = (Path(settings.UPLOADS_DIR) / path).stat().st_size
    if value.get("size") != size:
        yield _problem(field, f"This file has {size:,} bytes, the answer says {value.get('size')}.", "file")
    yield from problems(field, rules, path, size)


def rule_problems(rules: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with what the field of a definition says of its files."""
    endings, largest = rules.get(ACCEPT, [".any"]), rules.get(LARGEST, 1)
    if not isinstance(endings, list) or not all(isinstance(one, str) and one.startswith(".") for one in endings):
        yield f"`{ACCEPT}` must be a list of endings such as `.pdf`"
    if not isinstance(largest, int) or not 0 < largest <= MAX_BYTES:
        yield f"`{LARGEST}` must be a number of bytes up to {MAX_BYTES}"


def remove_unused(prompt: str, answer: Any) -> None:
    """Remove what was uploaded for a prompt that is decided, but for the files that its answer names."""
    folder = Path(settings.UPLOADS_DIR) / FOLDER / prompt
    if not folder.is_dir():
        return
    kept = {PurePosixPath(path).parent.name for path in _paths(answer)}
    for one in folder.iterdir():
        if one.name not in kept:
            shutil.rmtree(one, ignore_errors=True)


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str):
            yield value["path"]
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item)


def _problem(field: str, detail: str, code: str) -> Problem:
    return {"pointer": f"/data{pointer([field])}", "detail": detail, "code": code}


CHUNK_BYTES = 256 * 1024


def read(prompt: str, value: Any) -> tuple[str, Iterator[bytes]] | None:
    """Return name and content of the file that an answer gives as a field's value; None where it is none of the prompt."""
    path = value.get("path") if isinstance(value, Mapping) else None
    if not isinstance(path, str) or not is_of(prompt, path):
        return None
    return str(value.get("name") or PurePosixPath(path).name), _chunks(Path(settings.UPLOADS_DIR) / path)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def is_of(prompt: str, path: str) -> bool:
    """Whether the path is that of a file uploaded for this prompt."""
    parts = PurePosixPath(path).parts
    inside = parts[:2] == (FOLDER, prompt) and ".." not in parts and len(parts) == 4
    return inside and (Path(settings.UPLOADS_DIR) / path).is_file()


def _safe(name: str) -> str:
    """The name as a file system takes it, its ending kept."""
    stem, dot, ending = name.rpartition(".")
    text = f"{stem[: MAX_NAME - len(ending)]}{dot}{ending}"[-MAX_NAME:]
    try:
        return get_valid_filename(text)
    except ValueError:
        return "file"
