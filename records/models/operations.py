"""What persons do to many records at once."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from director.ids import uuid7
from workflows.models import Workflow


class BulkKind(models.TextChoices):
    """What may be done to all records that match a filter."""

    RETRY = "retry"
    SKIP = "skip"
    MOVE = "move"
    PATCH = "patch"
    DELETE = "delete"


class BulkStatus(models.TextChoices):
    QUEUED = "queued"  # which records are meant is not yet written down
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class BulkOutcomeKind(models.TextChoices):
    PENDING = "pending"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    MISSING = "missing"  # deleted meanwhile


class BulkOperation(models.Model):
    """One thing done to all records that matched a filter when it began; worked off in batches in the background."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="bulk_operations")
    kind = models.CharField(max_length=6, choices=BulkKind)
    # As `records.filters.read_filter` reads it.
    filter = models.JSONField(default=dict)
    # {"status", "error"} of a move, {"operations"} of a patch.
    parameters = models.JSONField(default=dict)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=BulkStatus, default=BulkStatus.QUEUED)
    # How many records it is about, and what has become of them; the CHECK below holds the sum.
    total = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    # The last record done: written in the transaction of its batch, so that going on repeats and leaves out nothing.
    cursor = models.UUIDField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    # When it last got on; an open one that did not for long has lost its worker.
    worked_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "record_bulk_operations"
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=BulkKind.values), name="bulk_kind_known"),
            models.CheckConstraint(condition=Q(status__in=BulkStatus.values), name="bulk_status_known"),
            models.CheckConstraint(
                condition=~Q(status="completed")
                | Q(total=F("changed") + F("unchanged") + F("refused") + F("missing"), finished_at__isnull=False),
                name="bulk_totals_add_up",
            ),
        )
        indexes = (
            models.Index(fields=("workflow", "-id"), name="bulk_by_workflow"),
            # The sweep looks only at what is not over.
            models.Index(fields=("worked_at",), condition=Q(status__in=("queued", "running")), name="bulk_open"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.total} records"

    @property
    def done(self) -> int:
        return self.changed + self.unchanged + self.refused + self.missing

    @property
    def is_over(self) -> bool:
        return self.status not in (BulkStatus.QUEUED, BulkStatus.RUNNING)


class BulkOutcome(models.Model):
    """What became of one record of a bulk operation."""

    pk = models.CompositePrimaryKey("operation_id", "record_id")
    operation = models.ForeignKey(
        BulkOperation, on_delete=models.CASCADE, related_name="outcomes", db_constraint=False, db_index=False
    )
    # Primary key of the record, which may be gone by now, and its own id.
    record_id = models.UUIDField()
    name = models.CharField(max_length=255)
    outcome = models.CharField(max_length=9, choices=BulkOutcomeKind, db_default=BulkOutcomeKind.PENDING)
    reason = models.TextField(blank=True, db_default="")

    class Meta:
        db_table = "record_bulk_outcomes"
        constraints = (
            models.CheckConstraint(condition=Q(outcome__in=BulkOutcomeKind.values), name="bulk_outcome_known"),
        )
        indexes = (
            # What went wrong, in the order of the records.
            models.Index(
                fields=("operation", "outcome", "record_id"),
                condition=Q(outcome__in=("refused", "missing")),
                name="bulk_outcome_to_look_at",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.outcome}"


class ImportStatus(models.TextChoices):
    UPLOADED = "uploaded"  # looked at; nothing is written until it is confirmed
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RecordImport(models.Model):
    """A file that a person brought, and what becomes of its rows."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="imports")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    file_name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField(default=0)
    # As `records.importing.ImportOptions` reads it.
    options = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=ImportStatus, default=ImportStatus.UPLOADED)
    # How many rows are done, written in the transaction that makes their records, and what has become of them.
    done = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    merged = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # [{"position", "reason"}] of the first failed rows.
    problems = models.JSONField(default=list)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    worked_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "record_imports"
        constraints = (
            models.CheckConstraint(condition=Q(status__in=ImportStatus.values), name="import_status_known"),
            models.CheckConstraint(
                condition=Q(done=F("created") + F("merged") + F("unchanged") + F("skipped") + F("failed")),
                name="import_counts_add_up",
            ),
        )
        indexes = (
            models.Index(fields=("workflow", "-id"), name="import_by_workflow"),
            # The sweep looks only at what is not over.
            models.Index(
                fields=("worked_at",), condition=Q(status__in=("uploaded", "queued", "running")), name="import_open"
            ),
        )

    def __str__(self) -> str:
        return self.file_name

    @property
    def is_over(self) -> bool:
        return self.status in (ImportStatus.COMPLETED, ImportStatus.CANCELLED, ImportStatus.FAILED)


class RecordImportPart(models.Model):
    """A piece of an uploaded file: in the database, since web and worker may be on different hosts."""

    pk = models.CompositePrimaryKey("upload_id", "number")
    upload = models.ForeignKey(RecordImport, on_delete=models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        db_table = "record_import_parts"

    def __str__(self) -> str:
        return f"part {self.number}"


class SavedView(models.Model):
    """A list of records as a person likes to see it: filter, columns and order under a name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    # The query string of the page.
    query = models.TextField()
    # Whether the list opens with it when its address says nothing.
    is_first = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    # Given by lists: whether it is what the page shows.
    is_open: bool

    class Meta:
        db_table = "record_views"
        constraints = (
            models.UniqueConstraint(fields=("user", "name"), name="saved_view_unique"),
            models.UniqueConstraint(fields=("user",), condition=Q(is_first=True), name="saved_view_first_unique"),
        )

    def __str__(self) -> str:
        return self.name
