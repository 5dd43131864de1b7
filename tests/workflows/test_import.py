"""Importing a document: a workflow, its published version, and nothing when nothing changed."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories import make_user
from tests.workflows.documents import INBOX_TRIAGE, a_document, a_set
from workflows.definition import compile_plan, dump_yaml, to_document
from workflows.errors import DefinitionInvalid, DefinitionUnreadable, WorkflowNotFound
from workflows.models import Workflow, WorkflowStep, WorkflowVersion
from workflows.services import get_workflow_for, import_workflow, publish


@pytest.mark.django_db
def test_an_import_publishes_a_version_whose_rows_are_the_definition(django_assert_num_queries):
    owner = make_user("ada")

    result = import_workflow(INBOX_TRIAGE, owner=owner)

    assert (result.changed, result.version.number, result.workflow.slug) == (True, 1, "inbox-triage")
    assert (result.workflow.owner, result.version.created_by) == (owner, owner)
    other = WorkflowStep.objects.get(alias="other")
    assert (other.parent.alias, other.branch, other.position) == ("kind", "1", 0)
    assert other.options == {"store_to_record": True, "as": "category"}
    assert WorkflowStep.objects.get(alias="kind").options["branches"][1] == {"else": None}

    version = WorkflowVersion.objects.get(pk=result.version.pk)
    with django_assert_num_queries(1):
        plan = compile_plan(version)
        assert compile_plan(version) is plan
    assert plan.workflow_id == result.workflow.pk
    assert list(plan.steps) == ["inbox", "each_email", "kind", "finance", "other", "route", "summary"]


@pytest.mark.django_db
def test_the_same_again_changes_nothing_in_whatever_form_it_comes():
    owner = make_user()
    first = import_workflow(INBOX_TRIAGE, owner=owner)
    document = to_document(WorkflowVersion.objects.get(pk=first.version.pk))

    for same in (INBOX_TRIAGE, INBOX_TRIAGE.encode(), dump_yaml(document), document):
        result = import_workflow(same, owner=owner)

        assert (result.changed, result.version) == (False, first.version)
    assert WorkflowVersion.objects.count() == 1


@pytest.mark.django_db
def test_a_change_is_the_next_version_and_the_one_before_stays_as_it_was():
    owner = make_user()
    first = import_workflow(a_document(a_set("one", 1)), owner=owner)

    second = import_workflow(a_document(a_set("one", 2), description="Sorts mail"), owner=owner)

    assert (second.changed, second.version.number, second.workflow) == (True, 2, first.workflow)
    assert Workflow.objects.get().description == "Sorts mail"
    assert to_document(first.version)["steps"] == [{"alias": "one", "type": "set", "config": {"value": 1}}]


@pytest.mark.django_db
def test_two_owners_have_a_workflow_of_the_same_name_each():
    ada, grace = make_user("ada"), make_user("grace")
    document = a_document(a_set("one", 1))

    of_ada = import_workflow(document, owner=ada)
    of_grace = import_workflow(document, owner=grace)

    assert (of_ada.workflow.slug, of_grace.workflow.slug) == ("inbox-triage", "inbox-triage-2")
    assert import_workflow(a_document(a_set("one", 2)), owner=grace).workflow == of_grace.workflow
    assert of_ada.workflow.versions.count() == 1


@pytest.mark.django_db
def test_a_slug_in_the_document_says_which_workflow_is_meant():
    owner = make_user()
    first = import_workflow(a_document(a_set("one", 1), slug="triage"), owner=owner)

    renamed = import_workflow(a_document(a_set("one", 1), slug="triage", name="Triage of the inbox"), owner=owner)

    assert renamed.workflow == first.workflow
    assert Workflow.objects.get().name == "Triage of the inbox"


@pytest.mark.django_db
def test_publishing_to_a_workflow_does_not_ask_for_its_name():
    owner = make_user()
    workflow = import_workflow(a_document(a_set("one", 1)), owner=owner).workflow

    result = publish(workflow, a_document(a_set("one", 2), name="Another name"), by=owner)

    assert (result.workflow, result.version.number) == (workflow, 2)
    assert publish(workflow, a_document(a_set("one", 2), name="Another name"), by=owner).changed is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    "document", ["steps: [", b"\xff\xfe", b"x" * 2_000_000, a_document({"alias": "x", "type": "sett"}), "[]"]
)
def test_what_is_refused_leaves_nothing_behind(document):
    with pytest.raises((DefinitionUnreadable, DefinitionInvalid)):
        import_workflow(document, owner=make_user())

    assert not Workflow.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_imports_at_the_same_instant_make_one_workflow_and_versions_in_a_row():
    owner = make_user()

    def import_one(number):
        try:
            return import_workflow(a_document(a_set("one", number)), owner=owner).version.number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        numbers = sorted(threads.map(import_one, range(8)))

    assert Workflow.objects.count() == 1
    assert numbers == list(range(1, 9))


@pytest.mark.django_db(transaction=True)
def test_owners_who_take_the_same_name_at_the_same_instant_get_a_workflow_each():
    owners = [make_user() for _ in range(6)]

    def import_for(owner):
        try:
            return import_workflow(a_document(a_set("one", 1)), owner=owner).workflow.slug
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        slugs = set(threads.map(import_for, owners))

    assert slugs == {"inbox-triage", *(f"inbox-triage-{number}" for number in range(2, 7))}


@pytest.mark.django_db
def test_a_workflow_is_found_by_slug_or_id_by_those_who_may_see_it():
    owner, mate, stranger = make_user("ada"), make_user("grace"), make_user("eve")
    workflow = import_workflow(INBOX_TRIAGE, owner=owner).workflow
    workflow.collaborators.add(mate)

    for user in (owner, mate):
        assert get_workflow_for(user, "inbox-triage") == workflow
        assert get_workflow_for(user, workflow.pk) == workflow
        assert get_workflow_for(user, str(workflow.pk)) == workflow
    for wanted in ("inbox-triage", workflow.pk, "no-such"):
        with pytest.raises(WorkflowNotFound, match=rf"There is no workflow {wanted}, or you may not see it."):
            get_workflow_for(stranger, wanted)


@pytest.mark.django_db
def test_the_command_imports_a_file_and_tells_what_it_did(tmp_path):
    file = tmp_path / "triage.yaml"
    file.write_text(INBOX_TRIAGE)
    make_user("ada", is_superuser=True)

    def run(*arguments):
        out = StringIO()
        call_command("import_workflow", *map(str, arguments), stdout=out)
        return out.getvalue().strip()

    assert run(file) == "Published Inbox triage, version 1 (inbox-triage)."
    assert run(file, "--owner", "ada") == "Unchanged: Inbox triage, version 1 (inbox-triage)."
    with pytest.raises(CommandError, match=r'There is no user "adda". Did you mean "ada"\?'):
        run(file, "--owner", "adda")
    with pytest.raises(CommandError, match=r"missing.yaml cannot be read: No such file or directory."):
        run(tmp_path / "missing.yaml")
    file.write_text(INBOX_TRIAGE.replace("type: switch", "type: swich"))
    with pytest.raises(
        CommandError, match=r"(?s)steps\[1\].body\[1\].type: there is no step type `swich`.*\(line 22\)"
    ):
        run(file)


@pytest.mark.django_db
def test_the_command_needs_someone_to_own_the_workflow(tmp_path):
    file = tmp_path / "triage.yaml"
    file.write_text(INBOX_TRIAGE)

    with pytest.raises(CommandError, match=r"There is no superuser yet; make one with `manage.py createsuperuser`"):
        call_command("import_workflow", str(file))
