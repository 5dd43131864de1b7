"""The secrets of a workflow, to be masked by their value wherever steps have put them into other values.

Masking by key (`records.masking`) does not see "the key is …" in a text that a template has made. What is secret is
known from where it stands: the sensitive variables, and everything under a secret's name in variables, in records and
in what started a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, TextField
from django.db.models.functions import Cast

from records.masking import PARTS, WORDS, is_sensitive, mask_at, mask_tree, mask_values
from records.models import WorkflowVariable
from workflows.expressions import RecordView

# Wider than `is_sensitive`, which decides: only what may hold a secret is read.
MAYBE = "|".join((*PARTS, *WORDS))


@dataclass(frozen=True, slots=True)
class Secrets:
    """Texts that are not shown."""

    texts: frozenset[str] = frozenset()

    def among(self, *values: Any) -> Secrets:
        """Return these secrets, and those that stand under a secret's name in the values."""
        return Secrets(self.texts.union(*map(under_secret_names, values)))

    def __or__(self, others: Secrets) -> Secrets:
        return Secrets(self.texts | others.texts)

    def hide(self, value: Any) -> Any:
        """Return a JSON value as it may be shown: secrets masked by their keys and by their values."""
        return mask_values(mask_tree(value), self.texts)

    def hide_at(self, path: Iterable[str | int], value: Any) -> Any:
        """Return what stands at a path as it may be shown."""
        return mask_values(mask_at(path, value), self.texts)


NO_SECRETS = Secrets()


def secrets_of(workflow_id: UUID, *values: Any) -> Secrets:
    """Return the secrets of the workflow's variables, and those in the values (a record's data, say). One query."""
    return Secrets(frozenset(_of_variables(workflow_id))).among(*values)


def _of_variables(workflow_id: UUID) -> Iterator[str]:
    maybe = Q(sensitive=True) | Q(key__iregex=MAYBE) | Q(written__iregex=MAYBE)
    rows = WorkflowVariable.objects.filter(workflow_id=workflow_id).exclude(sensitive=False)
    for row in rows.annotate(written=Cast("value", TextField())).filter(maybe).only("key", "value", "sensitive"):
        yield from under_secret_names(row.value, is_secret=row.is_sensitive)


def under_secret_names(value: Any, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the texts that stand under a secret's name, at any depth; all of them where the value itself is secret."""
    if isinstance(value, RecordView):
        value = value.data
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from under_secret_names(item, is_secret=is_secret or is_sensitive(str(key)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from under_secret_names(item, is_secret=is_secret)
    elif is_secret and isinstance(value, str):
        yield value
