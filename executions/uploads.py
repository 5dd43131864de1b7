"""Files that people upload with an answer: kept in the data folder, one folder for each prompt, never overwritten."""

from __future__ import annotations

import secrets
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import get_valid_filename

from executions.errors import AnswerInvalid

FOLDER = "prompts"
MAX_BYTES = 50 * 1024 * 1024
MAX_NAME = 150


def store(prompt: str, field: str, upload: UploadedFile[Any]) -> dict[str, Any]:
    """Keep an upload and return `{path, name, size}`; path is relative to the uploads folder, as steps read it.

    Raises AnswerInvalid when it is too large.
    """
    size, name = upload.size or 0, upload.name or "file"
    if size > MAX_BYTES:
        detail = f"{name} has {size:,} bytes; at most {MAX_BYTES:,} are taken."
        raise AnswerInvalid([{"pointer": f"/data/{field}", "detail": detail, "code": "too_large"}])
    folder = PurePosixPath(FOLDER, prompt, secrets.token_hex(8))
    path = folder / _safe(name)
    target = Path(settings.UPLOADS_DIR) / path
    target.parent.mkdir(parents=True, mode=0o700)
    with target.open("xb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    return {"path": str(path), "name": name, "size": size}


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
