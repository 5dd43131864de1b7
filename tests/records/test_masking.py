"""What is masked: by its key, at any depth, and by its value wherever it has travelled."""

from secrets import token_hex

import pytest

from records import schemas
from records.filters import RecordFilter
from records.masking import MASK, is_sensitive, mask_at, mask_tree, mask_values
from records.queries import records_page
from records.secrets import SMALL_BYTES, secrets_of_records
from tests.factories import make_record, make_workflow


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "api_key",
        "apiKey",
        "APIKEY",
        "Authorization",
        "auth",
        "access_token",
        "clientSecret",
        "crm-webhook-secret",
        "credentials",
        "key",
        "x-auth-header",
        "sshPrivateKey",
    ],
)
def test_a_key_that_looks_like_a_secret_is_sensitive(key):
    assert is_sensitive(key)


@pytest.mark.parametrize("key", ["author", "keyboard", "monkey", "subject", "authority", "keynote", "hockey"])
def test_a_key_that_only_contains_such_letters_is_not(key):
    assert not is_sensitive(key)


def test_a_tree_is_masked_at_any_depth_and_its_input_is_untouched():
    tree = {"user": "maya", "login": [{"password": "hunter22", "auth": {"kind": "basic"}, "token": None}]}

    masked = mask_tree(tree)

    assert masked == {"user": "maya", "login": [{"password": MASK, "auth": MASK, "token": None}]}
    assert tree["login"][0]["password"] == "hunter22"


def test_a_secret_is_masked_by_its_value_wherever_it_has_travelled():
    step_input = {"url": "https://crm.example/?k=s3cr3t-42", "headers": ["Bearer s3cr3t-42"], "count": 3}

    assert mask_values(step_input, ["s3cr3t-42", "abc"]) == {
        "url": f"https://crm.example/?k={MASK}",
        "headers": [f"Bearer {MASK}"],
        "count": 3,
    }


def test_the_branch_that_was_taken_is_no_secret_though_it_stands_under_key():
    review = {"action": "approve", "fields": {"key": "sk-1"}, "key": "0"}

    assert mask_tree({"route": {"branch": None, "index": 12, "key": "12"}, "review": review}) == {
        "route": {"branch": None, "index": 12, "key": "12"},
        "review": {"action": "approve", "fields": {"key": MASK}, "key": "0"},
    }
    assert mask_tree([{"key": "4711"}, {"key": 7}, {"key": ["1"]}, {"api_key": "1"}]) == [
        {"key": MASK},
        {"key": MASK},
        {"key": MASK},
        {"api_key": MASK},
    ]
    assert (mask_at(("route", "key"), "1"), mask_at(("key", "door"), "1")) == ("1", MASK)


@pytest.mark.parametrize(
    "schema", [{"properties": {"password": {"minLength": 20}}}, {"anyOf": [{"required": ["name"]}]}]
)
def test_what_is_wrong_with_a_secret_is_said_without_it(schema):
    (problem,) = schemas.problems(schema, {"password": "hunter22", "note": "x"}, "fields")

    assert problem["path"] in ("fields.password", "fields")
    assert "hunter22" not in problem["message"]


def test_what_is_wrong_beside_a_secret_is_quoted():
    schema = {"properties": {"total": {"type": "integer"}}}

    (problem,) = schemas.problems(schema, {"password": "hunter22", "total": "seven"}, "fields")

    assert problem["message"] == '"seven" is not of type "integer"'


@pytest.mark.django_db
@pytest.mark.parametrize("size", [10, SMALL_BYTES * 2])
def test_a_list_knows_the_secrets_of_records_whose_data_it_does_not_read(size):
    said = {"login": [{"password": "pw-of-one"}], "note": "in by pw-of-one", "body": token_hex(size)}
    workflow = make_record(make_workflow(), fields=said).workflow

    (row,) = records_page([workflow.pk], RecordFilter(), whole=False, picked=[("fields", "note")]).rows
    secrets = secrets_of_records([row])[row.pk]

    assert "data" in row.get_deferred_fields()
    assert secrets.texts == {"pw-of-one"}
    assert secrets.hide(row.picked) == [f"in by {MASK}"]
