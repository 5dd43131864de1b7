"""What is masked: by its key, at any depth, and by its value wherever it has travelled."""

import pytest

from records.masking import MASK, is_sensitive, mask_tree, mask_values


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
