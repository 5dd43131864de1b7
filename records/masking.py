"""Secrets are shown as a mask: in pages, API, logs, snapshots, events and exports.

What is secret is judged by the key it stands under, unless a person has said otherwise, and for values that
have travelled elsewhere (into a rendered template, an error text) by the value itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

MASK = "••••••••"
# Found anywhere in a key, or only as a word of its own ("key" in "api_key", not in "keyboard" or "monkey").
PARTS = (
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
)
WORDS = frozenset({"key", "keys", "auth", "oauth", "authorization", "pwd", "bearer"})
# Of a step that branches, `key` says which block was taken: "0", "1", and so on. A number so short is no secret.
BLOCK = re.compile(r"[0-9]{1,3}")
SCALARS = (str, int, float, type(None))  # looked at first: whether it is any mapping takes ten times as long
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# A shorter secret would blot out half of every text; it is still masked under its own key.
MIN_VALUE_CHARACTERS = 6


@lru_cache(maxsize=4096)
def is_sensitive(key: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    lowered = key.lower()
    return any(part in lowered for part in PARTS) or any(word.lower() in WORDS for word in WORD.findall(key))


def hides(key: str, value: Any) -> bool:
    """Whether the value is masked for the name that it stands under."""
    return is_sensitive(key) and not (key == "key" and isinstance(value, str) and BLOCK.fullmatch(value))


def hides_at(path: Iterable[str | int], value: Any) -> bool:
    """Whether what stands at the path is masked for a name on the way to it."""
    *around, last = [str(key) for key in path] or [""]
    return any(map(is_sensitive, around)) or hides(last, value)


def is_secret(key: str, said: bool | None) -> bool:
    """Whether the value under the key is a secret: as a person said, or judged by the key when nobody did."""
    return is_sensitive(key) if said is None else said


def mask(value: Any) -> Any:
    """Return the mask; a missing value (None) is no secret. The mask tells neither length nor type."""
    return None if value is None else MASK


def mask_tree(value: Any) -> Any:
    """Return a JSON value with everything under a sensitive key masked, at any depth; the input stays."""
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, Mapping):
        return {key: mask(item) if hides(str(key), item) else mask_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_tree(item) for item in value]
    return value


def mask_at(path: Iterable[str | int], value: Any) -> Any:
    """Return what stands at a path as it may be shown: masked when any key on the way names a secret."""
    return mask(value) if hides_at(path, value) else mask_tree(value)


def is_masked(value: Any) -> bool:
    """Whether it is a text in which a mask stands for a secret."""
    return isinstance(value, str) and MASK in value


def masked_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of the texts that have a mask in them: stored, it would overwrite what it stands for."""
    if is_masked(value):
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from masked_paths(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from masked_paths(item, (*path, index))


def mask_values(value: Any, secrets: Collection[str]) -> Any:
    """Return a JSON value with every occurrence of the secrets in its texts masked; keys stay as they are."""
    known = _longest_first(frozenset(secrets))
    return _without(value, known) if known else value


@lru_cache(maxsize=256)
def _longest_first(secrets: frozenset[str]) -> tuple[str, ...]:
    """Return the secrets that are masked by their value, in the order in which none is cut up by a part of it."""
    known = (secret for secret in secrets if len(secret) >= MIN_VALUE_CHARACTERS)
    return tuple(sorted(known, key=len, reverse=True))


def _without(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        for secret in secrets:  # quicker than one expression of them all, which many records would need anew
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, Mapping):
        return {key: _without(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, secrets) for item in value]
    return value
