"""Variables in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from director import json_view
from records.admin.forms import VariableForm
from records.admin.records import ByServiceAdmin
from records.history import Origin
from records.models import ChangeSource, WorkflowVariable
from records.revealing import may_reveal
from records.variables import Variables


@admin.register(WorkflowVariable)
class VariableAdmin(ByServiceAdmin[WorkflowVariable]):
    form = VariableForm
    list_display = ("key", "workflow", "value_shown", "of_run", "revision", "updated_at")
    list_select_related = ("workflow",)
    list_filter = ("workflow",)
    search_fields = ("key__startswith",)
    search_help_text = "The beginning of the key."
    ordering = ("-id",)
    raw_id_fields = ("workflow",)
    fields = (("workflow", "key"), "content", "shape", "sensitive", "why", "seen")

    @admin.display(description="value")
    def value_shown(self, variable: WorkflowVariable) -> str:
        return json_view.brief(variable.shown)

    @admin.display(description="of one run", boolean=True)
    def of_run(self, variable: WorkflowVariable) -> bool:
        return variable.execution_id is not None

    def get_fields(self, request: HttpRequest, variable: WorkflowVariable | None = None) -> Any:
        """A variable that is not there yet has no revision to show."""
        return (*self.fields, ("of_run", "revision", "updated_at")) if variable else self.fields

    def get_readonly_fields(self, request: HttpRequest, variable: WorkflowVariable | None = None) -> tuple[str, ...]:
        return ("of_run", "revision", "updated_at", *(("workflow", "key") if variable else ()))

    def save_model(self, request: HttpRequest, variable: WorkflowVariable, form: Any, change: bool) -> None:
        asked = form.cleaned_data
        saved = _variables(request, variable).set(
            variable.key,
            asked["content"],
            schema=asked["shape"],
            sensitive=asked["sensitive"],
            reason=asked["why"],
            expected_revision=asked["seen"] if change else 0,
            may_reveal=may_reveal(request.user, variable.workflow),
        )
        variable.pk = saved.pk

    def delete_model(self, request: HttpRequest, variable: WorkflowVariable) -> None:
        _variables(request, variable).delete(variable.key, reason="admin")

    def delete_queryset(self, request: HttpRequest, variables: QuerySet[WorkflowVariable]) -> None:
        for variable in variables.select_related("workflow"):
            self.delete_model(request, variable)


def _variables(request: HttpRequest, variable: WorkflowVariable) -> Variables:
    origin = Origin(ChangeSource.ADMIN, actor_id=request.user.pk)
    return Variables(variable.workflow, origin, variable.execution_id)
