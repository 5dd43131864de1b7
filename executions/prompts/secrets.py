"""Secrets in what people are asked: masked before the question is kept, so that no page, mail, event or API has them.

What is secret: the workflow's sensitive variables, and what stands under a secret's name in what the question's
templates refer to. It is masked by its value wherever a text has it; under a secret's name, and where it would be
proposed as an answer, it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from executions.models import HumanPrompt
from records.masking import is_sensitive, mask, mask_tree, mask_values
from records.secrets import Secrets, secrets_of


def secrets_for(workflow_id: UUID, scope: Mapping[str, Any], names: Iterable[str]) -> Secrets:
    """Return the secrets that templates which refer to these names of the scope may have put into a text. One query.

    Those of the record are among them: it may have come through the outputs of earlier steps.
    """
    return secrets_of(workflow_id, {name: scope[name] for name in {"current", *names} if name in scope})


def secrets_of_prompt(prompt: HumanPrompt) -> Secrets:
    """Return what is not shown of what was answered. One query, for a prompt that comes with its record."""
    return secrets_of(prompt.workflow_id, prompt.record and prompt.record.data)


def without_secrets(question: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """Return the prompt's columns as they may be shown to everyone who sees the prompt."""
    texts = {name: mask_values(question[name], secrets.texts) for name in ("title", "message", "actions")}
    context = [_shown(one, secrets) for one in question["context"]]
    return {**question, **texts, "context": context, "schema": _schema(question["schema"], secrets)}


def _shown(one: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """A thing shown beside the form; its label may be a secret's name."""
    hidden = is_sensitive(str(one.get("label", "")))
    found = {key: mask(value) if hidden and key == "value" else mask_tree(value) for key, value in one.items()}
    shown: dict[str, Any] = mask_values(found, secrets.texts)
    return shown


def _schema(node: Any, secrets: Secrets, field: str = "") -> Any:
    """The schema of the fields: a secret is neither proposed nor told in a label."""
    if isinstance(node, list):
        return [_schema(item, secrets, field) for item in node]
    if not isinstance(node, Mapping):
        return mask_values(node, secrets.texts)
    kept = {key: value for key, value in node.items() if key != "default" or _may_propose(field, value, secrets)}
    return {key: value if key == "default" else _part(key, value, secrets, field) for key, value in kept.items()}


def _part(key: str, value: Any, secrets: Secrets, field: str) -> Any:
    if key in ("properties", "dependentSchemas") and isinstance(value, Mapping):
        return {name: _schema(one, secrets, name) for name, one in value.items()}
    return _schema(value, secrets, field)


def _may_propose(field: str, value: Any, secrets: Secrets) -> bool:
    return not is_sensitive(field) and secrets.hide(value) == value
