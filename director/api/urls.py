"""Every address under /api/. A name may hold slashes, so what follows a record's or variable's name comes first."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from director.api import views
from executions.api import bulk as execution_bulk
from executions.api import control, executions, history, log, notifications, prompts, replay
from records.api import bulk, data, records, transfer, variables
from workflows import api as workflows


class Name(StringConverter):
    """Part of an address that is looked up in the database, which knows no NUL."""

    regex = r"[^/\x00]+"


class Names(StringConverter):
    """The rest of an address: ids of records may hold slashes."""

    regex = r"[^\x00]+"


register_converter(Name, "name")
register_converter(Names, "names")

WORKFLOW = "workflows/<name:workflow>"
BULK = f"{WORKFLOW}/records/bulk"
IMPORT = f"{WORKFLOW}/records/import"
EXECUTION = "executions/<name:execution>"

urlpatterns = [
    path("", views.Root.as_view(), name="api-root"),
    path("schema", views.Description.as_view(), name="api-schema"),
    path("docs", views.docs, name="api-docs"),
    path("workflows", workflows.Workflows.as_view(), name="api-workflows"),
    path(WORKFLOW, workflows.WorkflowDetail.as_view(), name="api-workflow"),
    path(f"{WORKFLOW}/definition", workflows.WorkflowDefinition.as_view()),
    path(f"{WORKFLOW}/executions", executions.WorkflowExecutions.as_view()),
    path(f"{WORKFLOW}/shadow-replays", replay.ShadowReplay.as_view()),
    path(f"{WORKFLOW}/data", data.Data.as_view()),
    path(f"{WORKFLOW}/data/stats", data.Stats.as_view()),
    path(f"{WORKFLOW}/variables", variables.VariableList.as_view()),
    path(f"{WORKFLOW}/variables/<names:key>", variables.VariableDetail.as_view()),
    path(f"{WORKFLOW}/records", records.RecordList.as_view()),
    path(f"{WORKFLOW}/records/retry-failed", executions.RetryFailedRecords.as_view()),
    path(f"{WORKFLOW}/records/export", transfer.RecordExport.as_view()),
    path(IMPORT, transfer.Imports.as_view()),
    path(f"{IMPORT}/<uuid:upload>", transfer.ImportDetail.as_view(), name="api-import"),
    path(f"{IMPORT}/<uuid:upload>/preview", transfer.ImportPreview.as_view()),
    path(f"{IMPORT}/<uuid:upload>/confirm", transfer.ImportConfirm.as_view()),
    path(f"{IMPORT}/<uuid:upload>/cancel", transfer.ImportCancel.as_view()),
    path(BULK, bulk.BulkList.as_view()),
    path(f"{BULK}/<uuid:operation>", bulk.BulkDetail.as_view(), name="api-bulk"),
    path(f"{BULK}/<uuid:operation>/outcomes", bulk.BulkOutcomes.as_view()),
    path(f"{BULK}/<uuid:operation>/cancel", bulk.BulkCancel.as_view()),
    path(f"{WORKFLOW}/records/<names:record_id>/history", history.RecordHistory.as_view()),
    path(f"{WORKFLOW}/records/<names:record_id>", records.RecordDetail.as_view()),
    path("executions", executions.Executions.as_view(), name="api-executions"),
    path("executions/bulk", execution_bulk.ExecutionBulkStart.as_view()),
    path("executions/bulk/<uuid:operation>", execution_bulk.ExecutionBulkDetail.as_view(), name="api-execution-bulk"),
    path("executions/bulk/<uuid:operation>/stop", execution_bulk.ExecutionBulkStop.as_view()),
    path("executions/bulk/<uuid:operation>/outcomes", execution_bulk.ExecutionBulkItems.as_view()),
    path(EXECUTION, executions.ExecutionDetail.as_view(), name="api-execution"),
    path(f"{EXECUTION}/steps", executions.Steps.as_view()),
    path(f"{EXECUTION}/steps/<int:step>", executions.StepDetail.as_view()),
    path(f"{EXECUTION}/retry-failed", executions.RetryFailed.as_view()),
    path(f"{EXECUTION}/pause", control.Pause.as_view()),
    path(f"{EXECUTION}/resume", control.Resume.as_view()),
    path(f"{EXECUTION}/change", control.Change.as_view()),
    path(f"{EXECUTION}/cancel", control.Cancel.as_view()),
    path(f"{EXECUTION}/interventions", control.Interventions.as_view()),
    path(f"{EXECUTION}/log", log.Log.as_view()),
    path(f"{EXECUTION}/outcome", control.Outcome.as_view()),
    path(f"{EXECUTION}/waiting", control.Waiting.as_view()),
    path(f"{EXECUTION}/replay", replay.Replay.as_view()),
    path(f"{EXECUTION}/replay/preview", replay.ReplayPreview.as_view()),
    path(f"{EXECUTION}/replay/<name:step>", replay.ReplayStep.as_view()),
    path(f"{EXECUTION}/shadow", replay.ShadowReport.as_view()),
    path(f"{EXECUTION}/shadow/records", replay.ShadowRecords.as_view()),
    path(f"{EXECUTION}/interrupted", replay.Interrupted.as_view()),
    path(f"{EXECUTION}/decide", replay.Decide.as_view()),
    path(f"{EXECUTION}/repair", replay.Repair.as_view()),
    path(f"{EXECUTION}/retry-group", replay.RetryGroup.as_view()),
    path(f"{EXECUTION}/compare/<name:other>", replay.Compare.as_view()),
    path(f"{EXECUTION}/compare/<name:other>/differences", replay.Differences.as_view()),
    path(f"{EXECUTION}/human-prompt/<str:step>/respond", prompts.Respond.as_view()),
    path("notifications", notifications.Notifications.as_view()),
    path("notifications/read", notifications.ReadAll.as_view()),
    path("notifications/<int:notification>/read", notifications.Read.as_view()),
    path("prompts", prompts.Prompts.as_view(), name="api-prompts"),
    path("prompts/<str:prompt>", prompts.PromptDetail.as_view(), name="api-prompt"),
    path("prompts/<str:prompt>/answer", prompts.Answer.as_view()),
    path("prompts/<str:prompt>/files/<name:field>", prompts.Files.as_view()),
    re_path(r"^(?P<rest>[\s\S]+)$", views.other_address),
]
