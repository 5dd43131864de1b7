"""Variables: what a workflow knows beside its records, with a typed editor and the steps that read and write each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from director.errors import DirectorError
from director.given import number_in, reason_in
from director.htmx import is_htmx, render_page
from director.jsontools import ValueInvalid, loads
from executions.queries.variables import (
    KINDS_SHOWN,
    Uses,
    history_of_variable,
    history_of_variables,
    scopes,
    uses_of,
    variables_of,
)
from records.errors import (
    SchemaInvalid,
    VariableChanged,
    VariableInvalid,
    VariableKeyInvalid,
    VariableNotFound,
)
from records.masking import mask_at
from records.models import ChangeSource, WorkflowVariable
from records.revealing import may_reveal
from records.services import WorkflowData
from records.typed import KINDS, MAX_CHARACTERS, kind_of, read, with_secrets, written
from workflows.models import Workflow
from workflows.services import get_workflow_for

SENSITIVE = {"auto": None, "yes": True, "no": False}
FRAGMENTS = {"var-table": "variables/_variable_table.html", "var-panel": "variables/_variable_panel.html"}


@dataclass(slots=True)
class VariableForm:
    """The editor of one variable; revision 0 for one that is new. is_hidden: its value is a secret left out."""

    key: str = ""
    kind: str = "text"
    text: str = ""
    schema: str = ""
    sensitive: str = "auto"
    reason: str = ""
    revision: int = 0
    is_hidden: bool = False
    is_large: bool = False
    error: DirectorError | None = None
    problems: list[Any] = field(default_factory=list)

    kinds = KINDS

    @property
    def is_new(self) -> bool:
        return self.revision == 0

    @property
    def bad(self) -> str:
        """The name of the field that the refusal is about; empty when it is about none."""
        if isinstance(self.error, VariableKeyInvalid):
            return "key"
        if isinstance(self.error, SchemaInvalid):
            return "schema"
        return "value" if self.error and not isinstance(self.error, VariableChanged) else ""

    @property
    def rows(self) -> int:
        return min(14, max(self.text.count("\n") + 1, len(self.text) // 40 + 1))


@require_GET
def variable_list(request: HttpRequest) -> HttpResponse:
    """In the address: scope (slug of a workflow), q, kind, key (the variable that is open), new, history."""
    return render_page(request, "variables/variable_list.html", _context(request), FRAGMENTS)


def _context(request: HttpRequest, form: VariableForm | None = None, scope: Workflow | None = None) -> dict[str, Any]:
    """What the page shows. At most 9 queries."""
    visible = scopes(request.user)
    slug = request.GET.get("scope", "")
    if slug and scope is None:
        scope = get_workflow_for(request.user, slug)
    chosen = scope or next(iter(sorted(visible, key=lambda one: -getattr(one, "kept", 0))), None)
    text, kind = request.GET.get("q", "").strip(), request.GET.get("kind", "")
    context: dict[str, Any] = {"scopes": visible, "scope": chosen, "text": text, "kind": kind, "kinds": KINDS_SHOWN}
    if chosen is None:
        return context
    rows, of_runs, is_more = variables_of(chosen, text, kind)
    uses = uses_of(chosen)
    shown = [(row, uses.aliases(row.variable.key)) for row in rows]
    context |= {"rows": shown, "of_runs": of_runs, "is_more": is_more, "may_reveal": may_reveal(request.user, chosen)}
    return context | _panel(request, chosen, form, uses)


def _panel(request: HttpRequest, workflow: Workflow, form: VariableForm | None, uses: Uses) -> dict[str, Any]:
    """The editor, with who uses the variable and what people did with it."""
    key = form.key if form else request.GET.get("key", "")
    row = WorkflowVariable.objects.filter(workflow=workflow, execution_id=None, key=key).first() if key else None
    if form is None and row is not None:
        form = form_of(row)
    if form is None and "new" in request.GET:
        form = VariableForm()
    found: dict[str, Any] = {"form": form, "row": row, "key": key, "is_gone": bool(key) and row is None and not form}
    if form is not None and not form.is_new:
        default = written(mask_at((key,), uses.defaults.get(key)))
        found |= {"uses": uses.of(key), "default": default, "history": history_of_variable(workflow, key)}
    elif form is None and "history" in request.GET:
        found["all_history"] = history_of_variables(workflow)
    return found


def form_of(row: WorkflowVariable) -> VariableForm:
    """Return the editor of a variable, without its secrets."""
    text = "" if row.is_sensitive else written(row.shown)
    return VariableForm(
        key=row.key,
        kind=kind_of(row.value),
        text=text if len(text) <= MAX_CHARACTERS else "",
        schema=written(row.schema) if row.schema is not None else "",
        sensitive=next(name for name, value in SENSITIVE.items() if value is row.sensitive),
        reason=row.reason,
        revision=row.revision,
        is_hidden=row.is_sensitive,
        is_large=len(text) > MAX_CHARACTERS,
    )


@require_POST
def variable_save(request: HttpRequest) -> HttpResponse:
    """Set a variable; a refusal comes back in the form: what is wrong by path, or that another was quicker."""
    workflow, form = _asked(request)
    variables = _data(request, workflow, form.reason).variables
    standing = variables.query(form.key).filter(key=form.key).first() if form.key else None
    try:
        value = _value(form, standing)
        schema = _schema(form)
        variables.set(
            form.key,
            value,
            schema=schema,
            sensitive=SENSITIVE.get(form.sensitive),
            reason=form.reason,
            expected_revision=form.revision,
            may_reveal=may_reveal(request.user, workflow),
        )
    except DirectorError as refusal:
        return _refused(request, workflow, form, standing, refusal)
    messages.success(request, f"{form.key} is set")
    return _go(request, workflow, key=form.key)


def _asked(request: HttpRequest) -> tuple[Workflow, VariableForm]:
    given = request.POST
    form = VariableForm(
        key=given.get("key", "").strip(),
        kind=given.get("kind", "text"),
        text=given.get("value", ""),
        schema=given.get("schema", ""),
        sensitive=given.get("sensitive", "auto"),
        reason=reason_in(given),
        revision=number_in(given.get("expected_revision", "")) or 0,
    )
    return get_workflow_for(request.user, given.get("scope", "")), form


def _value(form: VariableForm, standing: WorkflowVariable | None) -> Any:
    """Return the value of the form; a secret that was left empty, or a value too large for it, stays as it is."""
    if standing is not None and form.text == "" and (standing.is_sensitive or form_of(standing).is_large):
        return standing.value
    value = read(form.kind, form.text, form.key)
    return with_secrets(value, standing.value if standing else None, (form.key,))


def _schema(form: VariableForm) -> Any:
    try:
        return loads(form.schema) if form.schema.strip() else None
    except ValueInvalid as error:
        raise SchemaInvalid("", error.message) from error


def _refused(
    request: HttpRequest,
    workflow: Workflow,
    form: VariableForm,
    standing: WorkflowVariable | None,
    refusal: DirectorError,
) -> HttpResponse:
    form.error, form.is_hidden = refusal, bool(standing and standing.is_sensitive)
    if isinstance(refusal, VariableInvalid):
        form.problems = list(refusal.problems)
    if isinstance(refusal, VariableChanged):
        form.revision = refusal.revision
    context = _context(request, form, workflow)
    template = "variables/_variable_panel.html" if is_htmx(request) else "variables/variable_list.html"
    return render(request, template, context, status=refusal.http_status)


@require_POST
def variable_delete(request: HttpRequest) -> HttpResponse:
    """Delete a variable; its key was typed to say so."""
    workflow, form = _asked(request)
    if request.POST.get("confirm", "").strip() != form.key:
        messages.error(request, f"Nothing was deleted: type {form.key} to confirm.")
        return _go(request, workflow, key=form.key)
    try:
        _data(request, workflow, form.reason).variables.delete(form.key, reason=form.reason)
    except VariableNotFound as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{form.key} is deleted")
    return _go(request, workflow)


@require_POST
@never_cache
def variable_reveal(request: HttpRequest) -> HttpResponse:
    """The value of a sensitive variable, to who may see it; that it was shown is kept in the history."""
    workflow, form = _asked(request)
    variables = _data(request, workflow, form.reason).variables
    value = variables.reveal(form.key, may=may_reveal(request.user, workflow), reason=form.reason)
    return render(request, "variables/_variable_revealed.html", {"key": form.key, "text": written(value)})


def _data(request: HttpRequest, workflow: Workflow, reason: str) -> WorkflowData:
    return WorkflowData(workflow, request.user, source=ChangeSource.PAGE, reason=reason)


def _go(request: HttpRequest, workflow: Workflow, **more: str) -> HttpResponse:
    where = f"{reverse('variable_list')}?{urlencode({'scope': workflow.slug, **more})}"
    if not is_htmx(request):
        return redirect(where)
    return HttpResponse(status=204, headers={"HX-Redirect": where})
