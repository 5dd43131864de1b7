"""Changes of records and variables that no step's journal row tells of."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from records.models.data import WorkflowRecord
from workflows.models import Workflow


class ChangeKind(models.TextChoices):
    """What happened to a record or a variable, other than by a step."""

    CREATED = "created"
    MERGED = "merged"  # its source said something new about it
    EDITED = "edited"
    MOVED = "moved"  # to another status
    DELETED = "deleted"
    REVEALED = "revealed"  # a masked value was shown to a person


class ChangeSource(models.TextChoices):
    """By what way a change came."""

    PAGE = "page"
    API = "api"
    ADMIN = "admin"
    BULK = "bulk"
    IMPORT = "import"
    STEP = "step"


class RecordChange(models.Model):
    """One change of a record that no step's journal row tells of: who, when, why, and what was before and after.

    Written in the transaction of the change itself. It outlives the record, so that a deletion can be told too.
    """

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    record = models.ForeignKey(
        WorkflowRecord, on_delete=models.DO_NOTHING, related_name="changes", db_constraint=False, db_index=False
    )
    # The record's own id, readable after it is gone.
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=ChangeKind)
    source = models.CharField(max_length=6, choices=ChangeSource)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    # The step that made or merged it and its execution, for changes that no person made.
    alias = models.CharField(max_length=100, blank=True)
    execution_id = models.UUIDField(null=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())
    # JSON Patches (RFC 6902) over {data, status, error_message}: forth, and back again.
    patch = models.JSONField(default=list)
    undo = models.JSONField(default=list)
    # The record's revision after the change.
    revision = models.PositiveIntegerField()

    class Meta:
        db_table = "record_changes"
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=ChangeKind.values), name="record_change_kind_known"),
            models.CheckConstraint(condition=Q(source__in=ChangeSource.values), name="record_change_source_known"),
        )
        indexes = (
            # The record's story; and the workflow's, newest first.
            models.Index(fields=("record", "-id"), name="record_change_by_record"),
            models.Index(fields=("workflow", "-id"), name="record_change_by_workflow"),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


class VariableChange(models.Model):
    """One change of a variable by a person or by the API, or one showing of a secret. Secrets are kept masked."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    execution_id = models.UUIDField(null=True)
    key = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=ChangeKind)
    source = models.CharField(max_length=6, choices=ChangeSource)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        db_table = "variable_changes"
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=ChangeKind.values), name="variable_change_kind_known"),
            models.CheckConstraint(condition=Q(source__in=ChangeSource.values), name="variable_change_source_known"),
        )
        indexes = (models.Index(fields=("workflow", "key", "-id"), name="variable_change_by_key"),)

    def __str__(self) -> str:
        return f"{self.key} {self.kind}"
