"""Workflows, their versions and the steps of a version."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from director.ids import uuid7
from workflows.querysets import WorkflowQuerySet


class Workflow(models.Model):
    """A named process with an owner and collaborators; everything else hangs on it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="workflows")
    collaborators = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="shared_workflows")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class VersionStatus(models.TextChoices):
    DRAFT = "draft"
    PUBLISHED = "published"


class WorkflowVersion(models.Model):
    """One state of a workflow's steps: the one editable draft, or a numbered version that never changes again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=VersionStatus, default=VersionStatus.DRAFT)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    # What the document says at its top beside the steps (labels, inputs, ...).
    settings = models.JSONField(default=dict, blank=True)
    # Fingerprint of the canonical document; publishing or importing the same thing twice is noticed by it.
    digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("workflow", "number"), name="version_number_unique"),
            models.UniqueConstraint(fields=("workflow",), condition=Q(status="draft"), name="version_one_draft"),
            models.CheckConstraint(condition=Q(status__in=VersionStatus.values), name="version_status_known"),
            models.CheckConstraint(
                condition=Q(status="draft", number__isnull=True, published_at__isnull=True)
                | Q(status="published", number__isnull=False, published_at__isnull=False),
                name="version_published_is_numbered",
            ),
        )

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}" if self.number else f"{self.workflow} draft"


class WorkflowStep(models.Model):
    """A node of a version. Its place is parent step + branch + position; the rows are the definition."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.CASCADE, related_name="steps")
    alias = models.CharField(max_length=100)
    type = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")
    # Which of the parent's blocks: "body" of an iterate, "0", "1", ... of a condition's branches or a switch's cases.
    branch = models.CharField(max_length=20, blank=True)
    position = models.PositiveIntegerField()
    config = models.JSONField(default=dict, blank=True)
    # What every step may say beside its config: when, retry, timeout, store_to_record, as, create_records,
    # and the heads of its own blocks (branches, cases) without their steps.
    options = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("version", "alias"), name="step_alias_unique"),
            models.UniqueConstraint(fields=("version", "parent", "branch", "position"), name="step_place_unique"),
            # Nulls are distinct to a unique index, so the top level needs one of its own.
            models.UniqueConstraint(
                fields=("version", "position"), condition=Q(parent__isnull=True), name="step_place_unique_at_top"
            ),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="step_not_its_own_parent"),
        )

    def __str__(self) -> str:
        return self.alias
