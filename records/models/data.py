"""What a workflow knows, its records and its variables, and what is kept beside them."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from director.ids import uuid7
from director.jsontools import Decoder
from records.masking import is_secret, mask, mask_tree
from records.states import RecordStatus
from workflows.models import Workflow


class WorkflowRecord(models.Model):
    """One of the things a workflow works on (an e-mail, a lead): its data, its status, what went wrong.

    `data` has the keys fields (what the source said), vars (what steps worked out) and targets (what was made
    elsewhere); history is not stored here but read from the journal and the changes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Several indexes begin with the workflow; one more of its own would only cost writes.
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="records", db_index=False)
    # Collated by bytes, so that the unique index also serves patterns such as email_* as prefix scans.
    record_id = models.CharField(max_length=255, db_collation="C")
    record_type = models.CharField(max_length=50)
    # What makes an item of the source the same thing when it is met again (its message id, its id, or a hash of it).
    source_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is outside the unique index
    # Set for the temporary records of an array iterate: they belong to this run and go with it.
    execution_id = models.UUIDField(null=True, blank=True)
    # Alias of the iterate that last worked on it, and the frame that holds it while processing or waiting.
    iteration_node_alias = models.CharField(max_length=100, blank=True, db_default="")
    frame_id = models.BigIntegerField(null=True, blank=True)
    data = models.JSONField(default=dict, decoder=Decoder)
    status = models.CharField(max_length=12, choices=RecordStatus, db_default=RecordStatus.DISCOVERED)
    error_message = models.TextField(blank=True, db_default="")
    retry_count = models.PositiveIntegerField(db_default=0)
    # Grows by one with every write of data or status; what `expected_revision` and ETags compare.
    revision = models.PositiveIntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True, blank=True)

    # Given by lists (`records.queries.records_page`) beside the columns; maybe_secret: in place of data that is not loaded.
    title: str
    picked: list[Any]
    maybe_secret: Any = None

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
            # What an iterate takes up, by key (ids are time-ordered).
            models.Index(fields=("workflow", "status", "id"), name="record_by_status"),
            # Lists (`records.listing`): the records of a type and a status in each of the orders that there are.
            models.Index(
                fields=("workflow", "record_type", "status", "id"),
                condition=Q(execution_id__isnull=True),
                name="record_by_type_status",
            ),
            models.Index(
                fields=("workflow", "record_type", "status", "updated_at", "id"),
                condition=Q(execution_id__isnull=True),
                name="record_by_type_status_update",
            ),
            models.Index(
                fields=("workflow", "record_type", "status", "record_id", "id"),
                condition=Q(execution_id__isnull=True),
                name="record_by_type_status_name",
            ),
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
    value = models.JSONField(null=True, decoder=Decoder)
    schema = models.JSONField(null=True, blank=True)
    # Null: judged by the key's name; true or false: said by a person.
    sensitive = models.BooleanField(null=True, blank=True)
    reason = models.TextField(blank=True, db_default="")
    # Who set it last: a person, or a step (its alias) in an execution.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    alias = models.CharField(max_length=100, blank=True, db_default="")
    set_in = models.UUIDField(null=True, blank=True)
    revision = models.PositiveIntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "workflow_memory"
        # Beside the owners of workflows, and of those workflows only that a person may see (`records.revealing`).
        permissions = (("reveal_secret", "Can see masked values"),)
        constraints = (
            models.UniqueConstraint(
                fields=("workflow", "key"), condition=Q(execution_id__isnull=True), name="variable_key_unique"
            ),
            models.UniqueConstraint(
                fields=("execution_id", "workflow", "key"),
                condition=Q(execution_id__isnull=False),
                name="variable_key_unique_in_run",
            ),
        )

    def __str__(self) -> str:
        return self.key

    @property
    def is_sensitive(self) -> bool:
        return is_secret(self.key, self.sensitive)

    @property
    def shown(self) -> Any:
        """The value as it may be shown: masked when sensitive, and with what looks like a secret inside it masked.

        A person who says that the variable is not sensitive means all of it.
        """
        if self.is_sensitive:
            return mask(self.value)
        return self.value if self.sensitive is False else mask_tree(self.value)


class OnInvalid(models.TextChoices):
    """What becomes of a new record whose fields break its type's schema."""

    REFUSE = "refuse"
    MARK_FAILED = "mark_failed", "mark as failed"


class RecordType(models.Model):
    """What a workflow says about its records of one type. A type needs no row; without one, anything goes."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="record_types")
    name = models.CharField(max_length=50)
    # JSON Schema 2020-12 for the fields; null accepts everything.
    schema = models.JSONField(null=True, blank=True)
    on_invalid = models.CharField(max_length=11, choices=OnInvalid, default=OnInvalid.REFUSE)
    # Path of the data that names a record to people ("fields.subject").
    title = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "record_types"
        constraints = (
            models.UniqueConstraint(fields=("workflow", "name"), name="record_type_unique"),
            models.CheckConstraint(condition=Q(on_invalid__in=OnInvalid.values), name="record_type_on_invalid_known"),
        )

    def __str__(self) -> str:
        return self.name


class RecordSearch(models.Model):
    """What a record is found by beside its own columns. Written when it is created and when its fields are edited.

    A table of its own, so that the engine, which rewrites the record at every step, never touches these indexes.
    """

    pk = models.CompositePrimaryKey("workflow_id", "record_id")
    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    record = models.ForeignKey(
        WorkflowRecord, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    # The step that made it, or "api", "page", "import".
    created_by = models.CharField(max_length=100)
    created_in = models.UUIDField(null=True)  # the execution it was made in
    document = SearchVectorField()

    class Meta:
        db_table = "record_search"
        indexes = (
            models.Index(fields=("workflow", "created_by", "record"), name="record_by_creator"),
            # In kB: words are put into the index in large portions, which halves what a new record costs.
            GinIndex(fields=("document",), name="record_by_word", gin_pending_list_limit=16_384),
        )

    def __str__(self) -> str:
        return str(self.record_id)


class RecordCounter(models.Model):
    """The highest number given in ids of one pattern; forgotten when records go, and then counted anew."""

    pk = models.CompositePrimaryKey("workflow_id", "prefix", "suffix")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+", db_index=False)
    # What stands before and after the number. Longer than an id: it may also be the text of the pattern.
    prefix = models.CharField(max_length=2000)
    suffix = models.CharField(max_length=255)
    last = models.BigIntegerField()

    class Meta:
        db_table = "record_counters"

    def __str__(self) -> str:
        return f"{self.prefix}{self.last}{self.suffix}"


class RecordCount(models.Model):
    """How many records a workflow has by type and status, as differences whose sum is the count.

    A trigger on `workflow_records` adds a row for each statement and status it moved, so that two writers never wait
    for each other; the sweep adds the rows up (`records.counts.compact`).
    """

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    record_type = models.CharField(max_length=50)
    status = models.CharField(max_length=12)
    count = models.BigIntegerField()

    class Meta:
        db_table = "record_counts"
        indexes = (models.Index(fields=("workflow", "record_type", "status"), name="record_count_by_status"),)

    def __str__(self) -> str:
        return f"{self.record_type} {self.status} {self.count:+}"
