"""What is written about workflows, and who may see one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.text import slugify

from director.jsontools import canonical
from workflows.definition import Definition, parse, require_valid
from workflows.definition.documents import decode
from workflows.definition.rows import document_of, rows_of
from workflows.errors import VersionNotFound, WorkflowNotFound
from workflows.models import VersionStatus, Workflow, WorkflowStep, WorkflowVersion
from workflows.querysets import WorkflowQuerySet

SLUG_TRIES = 5  # when two owners take the same slug at once


@dataclass(frozen=True, slots=True)
class ImportResult:
    """changed: whether a version was published; without a change `version` is the one that was there."""

    workflow: Workflow
    version: WorkflowVersion
    changed: bool


def import_workflow(
    document: str | bytes | Mapping[str, Any], *, owner: Any, format: str | None = None
) -> ImportResult:
    """Make the owner's workflow of this name be what the document says, and publish it.

    document: YAML or JSON (`format` None: found out), or its value. A workflow that the owner has already gets a new
    version when something changed, else nothing is written.
    Raises DefinitionUnreadable, or DefinitionInvalid with every problem.
    """
    definition = parse(_text(document), format)
    require_valid(definition)
    for _ in range(SLUG_TRIES):
        with suppress(IntegrityError):  # another owner took the slug since it was looked for: look again
            return _import(definition, owner)
    return _import(definition, owner)


def publish(
    workflow: Workflow, document: str | bytes | Mapping[str, Any], *, by: Any, format: str | None = None
) -> ImportResult:
    """Publish the document as the next version of this workflow, whatever name it gives; nothing when it is the same.

    Raises DefinitionUnreadable, or DefinitionInvalid with every problem.
    """
    definition = parse(_text(document), format)
    require_valid(definition)
    with transaction.atomic(durable=True):
        locked = Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
        return _publish(locked, definition, by)


def get_workflow_for(user: Any, id_or_slug: UUID | str, among: WorkflowQuerySet | None = None) -> Workflow:
    """Return the workflow of this id or slug; raises WorkflowNotFound, also when the user may not see it.

    among: what it is looked for in, with whatever is to be read along with it.
    """
    try:
        condition = Q(pk=UUID(str(id_or_slug)))
    except ValueError:
        condition = Q(slug=str(id_or_slug))
    known = Workflow.objects.all() if among is None else among
    workflow = known.visible_to(user).filter(condition).first()
    if workflow is None:
        raise WorkflowNotFound(id_or_slug)
    return workflow


def get_version(workflow: Workflow, number: int | None = None) -> WorkflowVersion:
    """Return the published version of this number, or the newest one; raises VersionNotFound."""
    published = workflow.versions.filter(status=VersionStatus.PUBLISHED).order_by("-number")
    found = published.first() if number is None else published.filter(number=number).first()
    if found is None:
        newest = published.values_list("number", flat=True).first()
        raise VersionNotFound(workflow.slug, number, newest)
    return found


def digest_of(definition: Definition) -> str:
    """Return the fingerprint of what a definition says, whatever the order of its keys."""
    return hashlib.sha256(canonical(document_of(definition))).hexdigest()


@transaction.atomic(durable=True)
def _import(definition: Definition, owner: Any) -> ImportResult:
    # One import of an owner at a time: two that find no workflow of the name would make one each.
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=owner.pk)
    workflow = _own(definition, owner) or _new(definition, owner)
    return _publish(workflow, definition, owner)


def _slug(definition: Definition) -> tuple[str, bool]:
    """Return the slug that the document asks for, and whether it says so itself."""
    said = definition.settings.get("slug")
    return (said, True) if said else (slugify(definition.settings["name"])[:180] or "workflow", False)


def _own(definition: Definition, owner: Any) -> Workflow | None:
    """Return the owner's workflow that the document means, locked: by slug, or by name where it says no slug."""
    slug, is_said = _slug(definition)
    condition = Q(slug=slug) if is_said else Q(slug=slug) | Q(name=definition.settings["name"], slug__startswith=slug)
    owned = Workflow.objects.select_for_update(no_key=True).filter(condition, owner=owner)
    return owned.order_by("created_at").first()


def _new(definition: Definition, owner: Any) -> Workflow:
    slug, _ = _slug(definition)
    taken = set(Workflow.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    free = next(
        name for name in (slug, *(f"{slug}-{number}" for number in range(2, len(taken) + 3))) if name not in taken
    )
    settings = definition.settings
    return Workflow.objects.create(
        name=settings["name"], slug=free, description=settings.get("description", ""), owner=owner
    )


def _publish(workflow: Workflow, definition: Definition, by: Any) -> ImportResult:
    digest = digest_of(definition)
    latest = workflow.versions.filter(status=VersionStatus.PUBLISHED).order_by("-number").first()
    if latest is not None and latest.digest == digest:
        return ImportResult(workflow, latest, changed=False)
    version = _add_version(workflow, definition, digest, by)
    workflow.name = definition.settings["name"]
    workflow.description = definition.settings.get("description", "")
    workflow.save(update_fields=["name", "description", "updated_at"])
    return ImportResult(workflow, version, changed=True)


def _add_version(workflow: Workflow, definition: Definition, digest: str, by: Any) -> WorkflowVersion:
    highest = workflow.versions.aggregate(highest=Max("number"))["highest"] or 0
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=highest + 1,
        status=VersionStatus.PUBLISHED,
        settings=dict(definition.settings),
        digest=digest,
        created_by=by,
        published_at=timezone.now(),
    )
    WorkflowStep.objects.bulk_create(rows_of(definition, version))
    return version


def _text(document: str | bytes | Mapping[str, Any]) -> str | Mapping[str, Any]:
    return decode(document) if isinstance(document, bytes) else document
