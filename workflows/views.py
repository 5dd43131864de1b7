"""Importing a workflow's document."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from director.errors import DirectorError
from director.htmx import is_htmx
from workflows.errors import DefinitionUnreadable
from workflows.services import import_workflow

FORM = "workflows/_import_form.html"


@require_POST
def workflow_import(request: HttpRequest) -> HttpResponse:
    """Import the uploaded file or the text and show the workflow; a refusal comes back in the form, all of it."""
    text = request.POST.get("text", "")
    try:
        result = import_workflow(_document(request) or text, owner=request.user)
    except DirectorError as refusal:
        template = FORM if is_htmx(request) else "workflows/import.html"
        return render(request, template, {"refusal": refusal, "text": text}, status=422)
    name = result.workflow.name
    said = (
        f"{name} is published as v{result.version.number}"
        if result.changed
        else f"{name} is unchanged: v{result.version.number}"
    )
    messages.success(request, said)
    url = reverse("workflow_page", args=[result.workflow.slug])
    return HttpResponseClientRedirect(url) if is_htmx(request) else redirect(url)


def _document(request: HttpRequest) -> str:
    """The uploaded file as text, empty when none was chosen."""
    upload = request.FILES.get("file")
    if upload is None:
        return ""
    try:
        return str(upload.read(), "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionUnreadable("The file", f"is not UTF-8 text (byte {error.start + 1})") from error
