"""The pages that show runs."""

from django.urls import path

from executions.views import actions, lists, monitor, prompts, record_edits, records, steps, variables, workflows

urlpatterns = [
    path("workflows/", workflows.workflow_list, name="workflow_list"),
    path("workflows/<slug:slug>/", workflows.workflow_page, name="workflow_page"),
    path("workflows/<slug:slug>/live/", workflows.workflow_live, name="workflow_live"),
    path("workflows/<slug:slug>/run/", actions.workflow_run, name="workflow_run"),
    path("workflows/<slug:slug>/executions/", workflows.workflow_executions, name="workflow_executions"),
    path("workflows/<slug:slug>/causes/<str:cause>/retry/", actions.cause_retry, name="cause_retry"),
    path("executions/", lists.execution_list, name="execution_list"),
    path("executions/<int:number>/", monitor.execution_page, name="execution_page"),
    path("executions/<int:number>/live/", monitor.execution_live, name="execution_live"),
    path("executions/<int:number>/timeline/", monitor.execution_timeline, name="execution_timeline"),
    path("executions/<int:number>/pause/", actions.execution_pause, name="execution_pause"),
    path("executions/<int:number>/resume/", actions.execution_resume, name="execution_resume"),
    path("executions/<int:number>/cancel/", actions.execution_cancel, name="execution_cancel"),
    path("executions/<int:number>/retry/", actions.execution_retry, name="execution_retry"),
    path("executions/<int:number>/steps/<int:pk>/", steps.step_page, name="step_page"),
    path("executions/<int:number>/steps/<int:pk>/<str:part>.json", steps.step_raw, name="step_raw"),
    path("prompts/", prompts.prompt_list, name="prompt_list"),
    path("prompts/live/", prompts.prompt_live, name="prompt_live"),
    path("prompts/many/", prompts.prompt_many, name="prompt_many"),
    path("prompts/answer/<str:token>/", prompts.prompt_link, name="prompt_link"),
    path("prompts/<uuid:pk>/", prompts.prompt_page, name="prompt_page"),
    path("prompts/<uuid:pk>/fields/", prompts.prompt_fields_shown, name="prompt_fields_shown"),
    path("prompts/<uuid:pk>/file/<str:field>/", prompts.prompt_file, name="prompt_file"),
    path("executions/<int:number>/prompts/", prompts.execution_prompts, name="execution_prompts"),
    path("variables/", variables.variable_list, name="variable_list"),
    path("variables/set/", variables.variable_save, name="variable_save"),
    path("variables/delete/", variables.variable_delete, name="variable_delete"),
    path("variables/reveal/", variables.variable_reveal, name="variable_reveal"),
    path("records/<uuid:pk>/", records.record_page, name="record_page"),
    path("records/<uuid:pk>/live/", records.record_live, name="record_live"),
    path("records/<uuid:pk>/raw.json", records.record_raw, name="record_raw"),
    path("records/<uuid:pk>/edit/", record_edits.record_edit, name="record_edit"),
    path("records/<uuid:pk>/status/", record_edits.record_move, name="record_move"),
    path("records/<uuid:pk>/delete/", record_edits.record_delete, name="record_delete"),
    path("records/<uuid:pk>/retry/", actions.record_retry, name="record_retry"),
]
