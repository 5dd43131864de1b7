"""Variables: setting, finding, the atomic verbs, schemas, secrets, history, and what an iterate leaves behind."""

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from records.errors import (
    RevealRefused,
    SchemaInvalid,
    VariableChanged,
    VariableInvalid,
    VariableKeyInvalid,
    VariableNotFound,
)
from records.history import Origin
from records.masking import MASK
from records.models import ChangeSource, VariableChange
from records.variables import ABSENT, Variables
from tests.factories import make_user, make_workflow
from workflows.models import WorkflowStep, WorkflowVersion

pytestmark = pytest.mark.django_db
PERCENT = {"type": "number", "minimum": 0, "maximum": 1}


@pytest.fixture
def maya():
    return make_user("maya")


@pytest.fixture
def variables(maya):
    return Variables(make_workflow(maya), Origin(ChangeSource.PAGE, actor_id=maya.pk))


def test_a_variable_is_set_and_set_again_and_what_is_not_given_stays(variables, maya):
    variables.set("min_confidence", 0.8, schema=PERCENT, reason="below this a person looks")

    row = variables.set("min_confidence", 0.7)

    assert (row.value, row.schema, row.reason, row.revision) == (0.7, PERCENT, "below this a person looks", 2)
    assert row.actor == maya
    changes = VariableChange.objects.order_by("id").values_list("kind", "before", "after", "actor")
    assert list(changes) == [("created", None, 0.8, maya.pk), ("edited", 0.8, 0.7, maya.pk)]


def test_a_value_that_breaks_the_schema_is_refused_with_path_and_rule(variables):
    variables.set("limits", {"seats": 4}, schema={"properties": {"seats": {"maximum": 10}}})

    with pytest.raises(VariableInvalid) as refused:
        variables.set("limits", {"seats": 40})
    with pytest.raises(SchemaInvalid, match="at type"):
        variables.set("limits", 1, schema={"type": "whole"})

    assert refused.value.problems == [
        {"path": "seats", "rule": "maximum", "message": "40 is greater than the maximum of 10"}
    ]
    assert variables.get("limits") == {"seats": 4}


@pytest.mark.parametrize("schema", ["object", 7, ["object"]])
def test_a_schema_that_is_no_object_is_refused(variables, schema):
    with pytest.raises(SchemaInvalid, match="must be an object"):
        variables.set("limits", 1, schema=schema)


def test_a_schema_that_lets_nothing_through_refuses_every_value(variables):
    with pytest.raises(VariableInvalid) as refused:
        variables.set("limits", 1, schema=False)

    assert refused.value.problems[0]["rule"] == "false"


def test_an_expected_revision_keeps_two_people_apart(variables):
    variables.set("channel", "#leads", expected_revision=0)
    variables.set("channel", "#sales", expected_revision=1)

    with pytest.raises(VariableChanged) as refused:
        variables.set("channel", "#other", expected_revision=1)
    with pytest.raises(VariableChanged):
        variables.delete("channel", expected_revision=1)

    assert (refused.value.http_status, refused.value.revision) == (409, 2)


def test_a_missing_variable_is_an_error_with_the_nearest_key(variables):
    variables.set("sales_channel", "#leads")

    with pytest.raises(VariableNotFound, match=r'Did you mean "sales_channel"\?'):
        variables.get("sales_chanel")
    with pytest.raises(VariableNotFound):
        variables.delete("sales_chanel")
    with pytest.raises(VariableKeyInvalid):
        variables.set(" ", 1)
    assert variables.get("sales_chanel", None) is None


@pytest.mark.parametrize("key", ["two\nlines", "two\u2028lines", "ends\r"])
def test_a_key_has_no_line_break(variables, key):
    with pytest.raises(VariableKeyInvalid, match="line break"):
        variables.set(key, 1)


def test_a_secret_becomes_visible_only_by_who_may_see_it_and_that_is_kept(variables, maya):
    variables.set("crm_token", "s3cr3t-42")

    with pytest.raises(RevealRefused):
        variables.set("crm_token", "s3cr3t-42", sensitive=False)
    with pytest.raises(RevealRefused):
        variables.set("crm_token", "s3cr3t-42", schema={"pattern": "^s"})
    assert variables.row("crm_token").shown == MASK
    assert variables.set("crm_token", "s3cr3t-43", schema={"pattern": "^s"}).shown == MASK
    variables.set("crm_token", "s3cr3t-42")

    assert variables.set("crm_token", "s3cr3t-42", sensitive=False, may_reveal=True).shown == "s3cr3t-42"
    assert VariableChange.objects.filter(key="crm_token", kind="revealed", actor=maya).count() == 1


def test_variables_are_found_by_pattern_step_and_text(variables):
    for key in ("extract", "extract.items", "@iter:extract:page", "extra", "seen_today", "last_%_id"):
        variables.set(key, 1)

    def keys(*args, **filters):
        return [row.key for row in variables.query(*args, **filters)]

    assert keys("extra*") == ["extra", "extract", "extract.items"]
    assert keys("last_%*") == ["last_%_id"]
    assert set(keys(step="extract")) == {"extract", "extract.items", "@iter:extract:page"}
    assert keys(text="TODAY") == ["seen_today"]


def test_the_formatted_list_cuts_long_values_and_masks_secrets(variables):
    variables.set("api_key", "s3cr3t-42")
    variables.set("body", "x" * 500)
    variables.set("crm", {"url": "https://crm.example", "password": "hunter22"})

    assert variables.formatted().splitlines() == [
        f'api_key = "{MASK}"',
        'body = "' + "x" * 99 + "… (502 characters)",
        f'crm = {{"url":"https://crm.example","password":"{MASK}"}}',
    ]


def test_a_secret_is_neither_shown_nor_kept_in_the_history_and_revealing_it_is(variables):
    variables.set("webhook_secret", "s3cr3t-42", schema={"type": "string", "maxLength": 20})
    row = variables.set("note", "private", sensitive=True)

    with pytest.raises(VariableInvalid) as refused:
        variables.set("webhook_secret", "s3cr3t-" * 10)
    with pytest.raises(RevealRefused):
        variables.reveal("note", may=False)

    assert (row.shown, variables.row("webhook_secret").shown) == (MASK, MASK)
    assert variables.reveal("note", may=True) == "private"
    assert "s3cr3t" not in refused.value.message
    kept = list(VariableChange.objects.filter(key="note").order_by("id").values_list("kind", "after"))
    assert kept == [("created", MASK), ("revealed", MASK)]
    assert variables.set("token_limit", 4096, sensitive=False).shown == 4096


def test_the_atomic_verbs_grow_and_swap_only_what_fits(variables):
    assert (variables.increment("seen"), variables.increment("seen", 2.5)) == (1, 3.5)
    assert (variables.append("ids", "a"), variables.append("ids", {"b": 1})) == (["a"], ["a", {"b": 1}])
    assert variables.compare_and_set("lock", ABSENT, "worker 1")
    assert not variables.compare_and_set("lock", ABSENT, "worker 2")
    assert not variables.compare_and_set("lock", "worker 2", "free")
    assert variables.compare_and_set("lock", "worker 1", "free")
    variables.set("share", 0.9, schema=PERCENT)

    with pytest.raises(VariableInvalid, match="is a list, and only a number can grow"):
        variables.increment("ids")
    with pytest.raises(VariableInvalid, match="is a text, and only a list can grow"):
        variables.append("lock", 1)
    with pytest.raises(VariableInvalid):
        variables.increment("share")
    with pytest.raises(VariableInvalid):
        variables.compare_and_set("share", 0.9, 2)
    assert variables.get("share") == 0.9


def test_a_variable_of_a_run_hides_the_lasting_one_and_leaves_it_alone(variables):
    run = Variables(variables.workflow, variables.origin, execution_id=variables.workflow.pk)
    variables.set("region", "eu")
    run.set("region", "us")
    variables.set("owner", "anke")

    assert (run.get("region"), run.get("owner"), variables.get("region")) == ("us", "anke", "eu")
    assert [row.value for row in variables.query()] == ["anke", "eu"]
    assert (run.clear(), variables.get("region")) == (1, "eu")


def test_setting_what_an_iterate_reads_cleans_what_it_left_behind(variables):
    version = WorkflowVersion.objects.create(workflow=variables.workflow)
    for position, (alias, config) in enumerate(
        [("each_url", {"over": "{{ urls[:10] }}"}), ("each_email", {"over_records": "email_*"})]
    ):
        WorkflowStep.objects.create(version=version, alias=alias, type="iterate", config=config, position=position)
    for key in ("@iter:each_url:3", "@iter:each_url", "@iter:each_email:3", "@iter:each_url2:1"):
        variables.set(key, 1)

    with CaptureQueriesContext(connection) as queries:
        variables.set("urls", ["https://a.example"])

    assert {row.key for row in variables.query("@iter:*")} == {"@iter:each_email:3", "@iter:each_url2:1"}
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 5

    variables.set("@iter:each_url:4", 1)
    variables.clear("ur*")
    assert not variables.query("@iter:each_url:*").exists()


def test_clearing_by_pattern_takes_two_queries_and_is_kept(variables):
    for number in range(30):
        variables.set(f"seen_{number}", number)

    with CaptureQueriesContext(connection) as queries:
        assert variables.clear("seen_*", reason="new month") == 30

    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 2
    assert VariableChange.objects.filter(kind="deleted", reason="new month").count() == 30


@pytest.mark.django_db(transaction=True)
def test_writers_side_by_side_lose_nothing():
    variables = Variables(make_workflow(), Origin(ChangeSource.STEP, alias="count"))

    def run(name):
        for number in range(40):
            variables.increment("seen")
            variables.append("ids", f"{name}{number}")
        connection.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (variables.get("seen"), len(variables.get("ids"))) == (120, 120)
    assert not VariableChange.objects.exists()
