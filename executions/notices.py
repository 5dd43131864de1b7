"""What is said to people: lines in the log of their run, notifications, and mails that tell of prompts."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class LogLevel(models.TextChoices):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogEvent(models.Model):
    """What a step `log_event` said: once per step and frame, however often it was tried."""

    execution = models.ForeignKey("executions.Execution", on_delete=models.CASCADE, related_name="log", db_index=False)
    frame_id = models.BigIntegerField()
    alias = models.CharField(max_length=100)
    level = models.CharField(max_length=7, choices=LogLevel)
    message = models.TextField()
    data = models.JSONField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "execution_log"
        constraints = (
            # The idempotency key of the step, as columns.
            models.UniqueConstraint(fields=("frame_id", "alias"), name="log_once_per_step"),
            models.CheckConstraint(condition=Q(level__in=LogLevel.values), name="log_level_known"),
        )
        # The log of a run by time, of one level or all of them merged.
        indexes = (models.Index(fields=("execution", "level", "at", "id"), name="log_by_level"),)

    def __str__(self) -> str:
        return f"{self.level}: {self.message}"


class Notification(models.Model):
    """What a step `notify` told one person. The page of the person shows it; `read_at` null: not seen yet."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    execution = models.ForeignKey("executions.Execution", on_delete=models.CASCADE, related_name="notifications")
    frame_id = models.BigIntegerField()
    alias = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    message = models.TextField(blank=True)
    # An http(s) address, or a path of Director itself; empty: none.
    link = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "notifications"
        constraints = (
            models.UniqueConstraint(fields=("frame_id", "alias", "user"), name="notification_once_per_step"),
        )
        indexes = (
            models.Index(fields=("user", "-id"), name="notification_by_user"),
            # How many a person has not seen.
            models.Index(fields=("user",), condition=Q(read_at__isnull=True), name="notification_unread"),
            # What is old enough to be removed.
            BrinIndex(fields=("created_at",), name="notification_age"),
        )

    def __str__(self) -> str:
        return self.title


class MailKind(models.TextChoices):
    ANNOUNCE = "announce"
    REMIND = "remind"
    ESCALATE = "escalate"


class PromptMail(models.Model):
    """A mail to one person about prompts, kept in the transaction that found it due and sent from here.

    `next_at` is when it is tried next; null once it is over: sent (`sent_at`), given up (`error` says why), or without
    `sent_at` and `error` because nothing in it waited for the person any more.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=MailKind)
    prompts = ArrayField(models.UUIDField())
    created_at = models.DateTimeField(db_default=Now())
    next_at = models.DateTimeField(null=True, db_default=Now())
    tries = models.PositiveSmallIntegerField(db_default=0)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, db_default="")

    class Meta:
        db_table = "prompt_mails"
        constraints = (models.CheckConstraint(condition=Q(kind__in=MailKind.values), name="prompt_mail_kind_known"),)
        indexes = (
            models.Index(fields=("next_at",), condition=Q(next_at__isnull=False), name="prompt_mail_due"),
            models.Index(fields=("user",), name="prompt_mail_of_user"),
            BrinIndex(fields=("created_at",), name="prompt_mail_age"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
