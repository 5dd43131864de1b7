"""What a workflow knows: its records and its variables."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from director.ids import uuid7
from records.states import RecordStatus
from workflows.models import Workflow


class WorkflowRecord(models.Model):
    """One of the things a workflow works on (an e-mail, a lead): its data, its status, what went wrong.

    `data` has the keys fields (what the source said), vars (what steps worked out) and targets (what was made
    elsewhere); history is not stored here but read from the journal and the changes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="records")
    record_id = models.CharField(max_length=255)
    record_type = models.CharField(max_length=50)
    # What makes an item of the source the same thing when it is met again (its message id, its id, or a hash of it).
    source_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is outside the unique index
    # Set for the temporary records of an array iterate: they belong to this run and go with it.
    execution_id = models.UUIDField(null=True, blank=True)
    # Alias of the iterate that last worked on it, and the frame that holds it while processing or waiting.
    iteration_node_alias = models.CharField(max_length=100, blank=True, db_default="")
    frame_id = models.BigIntegerField(null=True, blank=True)
    data = models.JSONField(default=dict)
    status = models.CharField(max_length=12, choices=RecordStatus, db_default=RecordStatus.DISCOVERED)
    error_message = models.TextField(blank=True, db_default="")
    retry_count = models.PositiveIntegerField(db_default=0)
    # Grows by one with every write of data or status; what `expected_revision` and ETags compare.
    revision = models.PositiveIntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "workflow_records"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "record_id"), name="record_id_unique"),
            models.UniqueConstraint(
                fields=("workflow", "record_type", "source_key"),
                condition=Q(source_key__isnull=False),
                name="record_source_key_unique",
            ),
            models.CheckConstraint(condition=Q(status__in=RecordStatus.values), name="record_status_known"),
        )
        indexes = (
            # Iterates and lists by type or status, paged by key (ids are time-ordered).
            models.Index(fields=("workflow", "record_type", "id"), name="record_by_type"),
            models.Index(fields=("workflow", "status", "id"), name="record_by_status"),
            models.Index(fields=("workflow", "iteration_node_alias"), name="record_by_iterate"),
            models.Index(fields=("workflow", "-updated_at", "id"), name="record_by_update"),
            # Patterns such as email_* are prefix scans.
            models.Index(fields=("workflow", "record_id"), name="record_id_prefix", opclasses=("uuid_ops", "varchar_pattern_ops")),
            # Clearing away a run's temporary records.
            models.Index(fields=("execution_id",), condition=Q(execution_id__isnull=False), name="record_temporary"),
        )

    def __str__(self) -> str:
        return self.record_id


class WorkflowVariable(models.Model):
    """A workflow-wide key and value; of one run only when `execution_id` is set."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="variables")
    execution_id = models.UUIDField(null=True, blank=True)
    key = models.CharField(max_length=255)
    value = models.JSONField(null=True)
    schema = models.JSONField(null=True, blank=True)
    # Null: judged by the key's name; true or false: said by a person.
    sensitive = models.BooleanField(null=True, blank=True)
    reason = models.TextField(blank=True, db_default="")
    revision = models.PositiveIntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "workflow_memory"
        constraints = (
            models.UniqueConstraint(
                fields=("workflow", "execution_id", "key"), name="variable_key_unique", nulls_distinct=False
            ),
        )

    def __str__(self) -> str:
        return self.key
