"""Executions, their frames, the slices that walk them, and the journal."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from director.ids import uuid7
from executions.notices import LogEvent as LogEvent
from executions.notices import Notification as Notification
from executions.notices import PromptMail as PromptMail
from executions.querysets import ExecutionQuerySet
from executions.states import ExecutionStatus, FrameStatus, StepStatus, WaitingFor
from workflows.models import Workflow, WorkflowVersion


class TriggerType(models.TextChoices):
    MANUAL = "manual"
    API = "api"
    COMMAND = "command"
    RETRY = "retry"
    REPLAY = "replay"


class Control(models.TextChoices):
    """What a person asked of a run; travels with every claim and commit."""

    NONE = "", "none"
    PAUSE = "pause"
    CANCEL = "cancel"


class Execution(models.Model):
    """One run of one version. Created only by `executions.services.start_execution`, then only updated."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The number people see (#1842); given by a database sequence.
    number = models.BigIntegerField(
        unique=True, editable=False, db_default=models.Func(models.Value("executions_number_seq"), function="nextval")
    )
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="executions")
    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="executions")
    status = models.CharField(max_length=10, choices=ExecutionStatus, default=ExecutionStatus.QUEUED)
    control = models.CharField(max_length=10, choices=Control, blank=True, default=Control.NONE)
    trigger_type = models.CharField(max_length=20, choices=TriggerType)
    trigger_data = models.JSONField(default=dict, blank=True)
    replay_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replays")
    # What people said should be otherwise: see `executions.overrides`.
    overrides = models.JSONField(default=dict, blank=True)
    # Where walks stop, travels with every commit like `control`: {"steps": [alias], "records": [key], "cancelled": [key],
    # "only": {iterate: [key]} (all others are held), "changes": how often people changed what slices go by}.
    breakpoints = models.JSONField(default=dict, blank=True)
    # When a pause ends by itself, and how: resume or cancel.
    pause_until = models.DateTimeField(null=True, blank=True)
    pause_then = models.CharField(max_length=10, blank=True, default="")
    labels = models.JSONField(default=dict, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is outside the unique index
    request_fingerprint = models.CharField(max_length=64, blank=True)
    error = models.JSONField(null=True, blank=True)
    # What went through record iterates of this run, written when it ends; the CHECK below holds the sum.
    records_total = models.PositiveIntegerField(default=0)
    records_complete = models.PositiveIntegerField(default=0)
    records_failed = models.PositiveIntegerField(default=0)
    records_skipped = models.PositiveIntegerField(default=0)
    records_cancelled = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        db_table = "executions"
        ordering = ("-number",)
        constraints = (
            models.CheckConstraint(condition=Q(status__in=ExecutionStatus.values), name="execution_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=("completed", "failed", "cancelled"), finished_at__isnull=False)
                | (~Q(status__in=("completed", "failed", "cancelled")) & Q(finished_at__isnull=True)),
                name="execution_terminal_is_finished",
            ),
            models.CheckConstraint(
                condition=~Q(status="completed")
                | Q(
                    records_total=F("records_complete")
                    + F("records_failed")
                    + F("records_skipped")
                    + F("records_cancelled")
                ),
                name="execution_counts_add_up",
            ),
            models.UniqueConstraint(
                fields=("started_by", "workflow", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
                name="execution_idempotency_key",
            ),
        )
        indexes = (
            models.Index(fields=("workflow", "-number"), name="execution_by_workflow"),
            # The sweep looks only at what is not over.
            models.Index(
                fields=("status",), condition=~Q(status__in=("completed", "failed", "cancelled")), name="execution_open"
            ),
            GinIndex(fields=("labels",), name="execution_labels", opclasses=("jsonb_path_ops",)),
        )

    def __str__(self) -> str:
        return f"#{self.number}"


class PromptStatus(models.TextChoices):
    OPEN = "open"
    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    WITHDRAWN = "withdrawn"  # its frame was cancelled or decided in another way


class HumanPrompt(models.Model):
    """A question that a frame waits on. A row of its own: answered exactly once, by compare-and-set of its status."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="prompts", db_index=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="prompts", db_index=False)
    frame_id = models.BigIntegerField()
    record = models.ForeignKey(
        "records.WorkflowRecord", on_delete=models.SET_NULL, null=True, related_name="prompts", db_constraint=False
    )
    alias = models.CharField(max_length=100)
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=10, choices=PromptStatus, db_default=PromptStatus.OPEN)
    title = models.CharField(max_length=300)
    message = models.TextField(blank=True, db_default="")
    # JSON Schema 2020-12 of the answer's fields; each property is one field of the form.
    schema = models.JSONField(db_default={})
    # What to show beside the form: a list of {label, value} and {label, url}.
    context = models.JSONField(db_default=[])
    # Buttons: a list of {key, label, style}; the key of the one that was pressed names the branch.
    actions = models.JSONField(db_default=[])
    # Who may answer; nobody named: everyone who may see the workflow.
    users = ArrayField(models.IntegerField(), db_default=[])
    groups = ArrayField(models.IntegerField(), db_default=[])
    # How many answers decide, and whether who started the run may give one.
    quorum = models.PositiveSmallIntegerField(db_default=1)
    no_self_approval = models.BooleanField(db_default=False)
    # What happens at `due_at`: {"do": "fail" | "default" | "branch", "answer": {...}, "action": "..."}.
    on_timeout = models.JSONField(db_default={})
    # Moments still to come: a list of {"at", "do": "remind" | "escalate", "users", "groups"}; `next_at` is the first.
    ladder = models.JSONField(db_default=[])
    due_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    answer = models.JSONField(null=True)
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    answered_at = models.DateTimeField(null=True)
    # Whether open pages were told of a withdrawal. Many writers withdraw prompts; one place tells (see prompt_due).
    withdrawn_told = models.BooleanField(db_default=False)

    class Meta:
        db_table = "human_prompts"
        constraints = (
            models.UniqueConstraint(fields=("frame_id", "alias", "attempt"), name="prompt_one_per_attempt"),
            models.CheckConstraint(condition=Q(status__in=PromptStatus.values), name="prompt_status_known"),
        )
        indexes = (
            # The inbox: open prompts by when they are due, of a workflow; and whose they are.
            models.Index(fields=("workflow", "due_at", "id"), condition=Q(status="open"), name="prompt_open"),
            GinIndex(fields=("users",), condition=Q(status="open"), name="prompt_users"),
            GinIndex(fields=("groups",), condition=Q(status="open"), name="prompt_groups"),
            models.Index(fields=("due_at",), condition=Q(status="open", due_at__isnull=False), name="prompt_due"),
            models.Index(fields=("next_at",), condition=Q(status="open", next_at__isnull=False), name="prompt_next"),
            models.Index(fields=("execution", "status"), name="prompt_of_execution"),
            models.Index(
                fields=("id",), condition=Q(status="withdrawn", withdrawn_told=False), name="prompt_withdrawn_untold"
            ),
        )

    def __str__(self) -> str:
        return self.title


class PromptAnswer(models.Model):
    """One person's answer to a prompt; as many as its quorum make the decision."""

    prompt = models.ForeignKey(HumanPrompt, on_delete=models.CASCADE, related_name="answers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=100)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "human_prompt_answers"
        constraints = (models.UniqueConstraint(fields=("prompt", "user"), name="prompt_one_answer_each"),)

    def __str__(self) -> str:
        return self.action


class ExecutionIntervention(models.Model):
    """What a person changed of a run while it was going on: who, when, why, and what exactly."""

    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="interventions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=20)  # paused, resumed, cancelled, changed, decided, retried
    reason = models.TextField(blank=True)
    changes = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "execution_interventions"
        indexes = (models.Index(fields=("execution", "-id"), name="intervention_by_execution"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.execution}"


class ExecutionSlice(models.Model):
    """One task run that walks frames of an execution; the lease of all frames it holds, and their fence.

    A frame is held as long as its slice is open. Marking the slice lost (by the sweep, under its row lock) takes every
    frame from it at once: the walker's next commit finds its slice lost and changes nothing.
    """

    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="slices")
    worker = models.CharField(max_length=200)
    # The database session of the walker; when that session is gone, so is the walker.
    backend_pid = models.IntegerField()
    backend_start = models.DateTimeField()
    expires_at = models.DateTimeField()
    # The frame walked alone because it was in a batch whose worker died.
    suspect_frame_id = models.BigIntegerField(null=True)
    # The ids between which it walks ready frames of inline bodies, which are leased rather than taken; null: none.
    leased_from = models.BigIntegerField(null=True)
    leased_to = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "execution_slices"
        indexes = (models.Index(fields=("expires_at",), name="slice_by_expiry"),)

    def __str__(self) -> str:
        return f"slice {self.pk} of {self.worker}"


class ExecutionFrame(models.Model):
    """One walk of a block: the root walks the top level, an iterate makes one per record.

    No foreign-key constraints and no indexes of their own on the columns that the journal writes in bulk: the engine is
    the only writer, a check per row would double the cost of a record-step, and the named indexes begin with them.
    """

    id = models.BigAutoField(primary_key=True)
    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="frames", db_constraint=False, db_index=False
    )
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, related_name="children", db_constraint=False, db_index=False
    )
    # Alias of the iterate whose body is walked; empty for the root.
    alias = models.CharField(max_length=100, blank=True)
    record = models.ForeignKey(
        "records.WorkflowRecord",
        on_delete=models.SET_NULL,
        null=True,
        related_name="frames",
        db_constraint=False,
        db_index=False,
    )
    position = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=FrameStatus, default=FrameStatus.READY)
    waiting_for = models.CharField(max_length=10, choices=WaitingFor, blank=True, db_default="")
    # When a parked frame becomes ready by itself.
    wake_at = models.DateTimeField(null=True, blank=True)
    slice_id = models.BigIntegerField(null=True, blank=True)
    # The frame of the replayed or retried run whose journal this one begins with.
    origin_id = models.BigIntegerField(null=True, blank=True)
    # Whether the journal has anything of this frame: a fresh one is walked without asking.
    walked = models.BooleanField(db_default=False)
    # How often it was walked as a suspect when its worker died; plus one for having been in such a batch.
    crashes = models.PositiveSmallIntegerField(db_default=0)
    # How often on_error: retry has walked it again.
    retries = models.PositiveSmallIntegerField(db_default=0)
    # Attempts of `at_step` that no longer count against its retry policy: a person or `on_error: retry` began afresh.
    forgiven = models.PositiveSmallIntegerField(db_default=0)
    at_step = models.CharField(max_length=100, blank=True, db_default="")
    # The step at which it was held back and let go on: it is not held back there again.
    passes = models.CharField(max_length=100, blank=True, db_default="")
    error = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # When a person let it go on after it had failed, in the same run: the moments (`at`) of the interventions.
    retried_at = ArrayField(models.DateTimeField(), null=True, blank=True)

    class Meta:
        db_table = "execution_frames"
        constraints = (
            models.CheckConstraint(condition=Q(status__in=FrameStatus.values), name="frame_status_known"),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(slice_id__isnull=False), name="frame_running_is_held"
            ),
        )
        indexes = (
            # Claiming the next ready frames in order; the execution page's table by status, paged by key.
            models.Index(fields=("execution", "status", "id"), name="frame_by_status"),
            # Whether an iterate still has open children, which of them are ready, and how its children ended.
            models.Index(fields=("parent", "status", "id"), name="frame_by_parent"),
            # What may be claimed. By itself, so that a claim in a table of nothing else never reads what is over.
            models.Index(fields=("execution", "id"), condition=Q(status="ready"), name="frame_ready"),
            # Frames to take back from a lost slice, and what is being walked at this moment.
            models.Index(fields=("slice_id",), condition=Q(status="running"), name="frame_held"),
            models.Index(fields=("wake_at",), condition=Q(status="waiting", wake_at__isnull=False), name="frame_timer"),
            # The walks of a record, and by them its story.
            models.Index(fields=("record", "-id"), name="frame_by_record"),
            models.Index(
                fields=("execution", "origin_id"), condition=Q(origin_id__isnull=False), name="frame_by_origin"
            ),
        )

    def __str__(self) -> str:
        return f"frame {self.pk}"


class ExecutionStep(models.Model):
    """The journal row of one attempt of one step in one frame. Written only by the engine's journal."""

    id = models.BigAutoField(primary_key=True)
    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="steps", db_constraint=False, db_index=False
    )
    frame = models.ForeignKey(
        ExecutionFrame, on_delete=models.CASCADE, related_name="steps", db_constraint=False, db_index=False
    )
    # No index: the rows of a record are found by its frames (`executions.queries.walks`).
    record = models.ForeignKey(
        "records.WorkflowRecord",
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="steps",
        db_constraint=False,
        db_index=False,
    )
    alias = models.CharField(max_length=100)
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=12, choices=StepStatus)
    input = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)
    # SHA-256 of the rendered input of a side effect: what a recording is matched by.
    fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    started_at = models.DateTimeField()
    # Null while running.
    duration_ms = models.FloatField(null=True)

    class Meta:
        db_table = "execution_steps"
        constraints = (
            models.UniqueConstraint(fields=("frame", "alias", "attempt"), name="journal_one_row_per_attempt"),
            models.CheckConstraint(condition=Q(status__in=StepStatus.values), name="journal_status_known"),
        )
        indexes = (
            # The execution's steps, newest or by alias, paged by key.
            models.Index(fields=("execution", "alias", "id"), name="journal_by_step"),
            # What failed, by time: a few rows of many, so it costs next to nothing to keep.
            models.Index(
                fields=("execution", "started_at", "id"),
                condition=Q(status__in=("failed", "interrupted")),
                name="journal_failures",
            ),
        )

    def __str__(self) -> str:
        return f"{self.alias} attempt {self.attempt}"


class ExecutionCount(models.Model):
    """Progress, kept as the journal is written: per step and status, in shards so that slices do not wait for each other.

    `kind` is "step" (journal rows of the step by status) or "frame" (frames of the iterate by status). The sum over
    the shards is the count; a single shard may be negative.
    """

    execution = models.ForeignKey(
        Execution, on_delete=models.CASCADE, related_name="counts", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=5)
    alias = models.CharField(max_length=100)
    status = models.CharField(max_length=12)
    shard = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)
    # Sum of durations, for "1.9 s each".
    duration_ms = models.FloatField(default=0)

    class Meta:
        db_table = "execution_counts"
        constraints = (
            models.UniqueConstraint(
                fields=("execution", "kind", "alias", "status", "shard"), name="count_shard_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.alias} {self.status}: {self.count}"


class ExecutionBulkKind(models.TextChoices):
    """What may be done to all executions that match a filter."""

    CANCEL = "cancel"
    REPLAY = "replay"


class ExecutionBulk(models.Model):
    """One thing done to all executions that matched when it began, one by one in the background."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=6, choices=ExecutionBulkKind)
    filter = models.JSONField(default=dict)
    # What a replay is asked for: see `executions.bulk`.
    parameters = models.JSONField(default=dict)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    reason = models.TextField(blank=True)
    # What has become of them; once it is finished, total = done + refused.
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    # When it last got on; an open one that did not for long has lost its worker.
    worked_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "execution_bulks"
        constraints = (
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | Q(total=F("done") + F("refused")), name="execution_bulk_adds_up"
            ),
        )
        indexes = (
            models.Index(fields=("actor", "-id"), name="execution_bulk_by_actor"),
            models.Index(fields=("worked_at",), condition=Q(finished_at__isnull=True), name="execution_bulk_open"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.total} executions"


class ExecutionBulkItem(models.Model):
    """One execution of a bulk operation. outcome: "" while it is to be done, else done or refused with the reason."""

    bulk = models.ForeignKey(ExecutionBulk, on_delete=models.CASCADE, related_name="items")
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=7, blank=True, db_default="")
    reason = models.TextField(blank=True, db_default="")
    # The replay that was started.
    result = models.ForeignKey(Execution, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "execution_bulk_items"
        constraints = (models.UniqueConstraint(fields=("bulk", "execution"), name="execution_bulk_once"),)

    def __str__(self) -> str:
        return f"{self.execution} {self.outcome or 'to do'}"
