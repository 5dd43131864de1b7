"""What a template gives is checked against the step type's schema, where only then it is known."""

from uuid import uuid4

import pytest

from tests.workflows.documents import a_document, a_set
from workflows.definition import parse
from workflows.definition.compile import plan_of
from workflows.errors import ConfigInvalid, ExpressionFailed
from workflows.models import WorkflowVersion


def step(**said):
    definition = parse(a_document({"alias": "tell", **said}))
    return plan_of(definition, WorkflowVersion(workflow_id=uuid4(), settings=definition.settings)).steps["tell"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"to": "{{ x }}", "title": "Hi"}, "Step tell, config.to: must be text or a list or an object, not a number."),
        ({"to": ["maya", "{{ x }}"], "title": "Hi"}, "Step tell, config.to[1]: must be text, not a number."),
        ({"to": "maya", "title": "{{ y }}"}, "Step tell, config.title: must not be empty."),
    ],
)
def test_a_value_that_breaks_the_rule_is_refused_with_step_and_place(config, message):
    tell = step(type="notify", config=config)

    with pytest.raises(ConfigInvalid) as refused:
        tell.render({"x": 5, "y": ""})
    assert refused.value.message == message


def test_what_is_known_beforehand_is_not_checked_again_for_every_record():
    text = {"alias": "tell", "type": "notify", "config": {"to": "maya", "title": "Hello", "message": "{{ x }}"}}

    assert [check.key for check in step(**text).checks] == ["message"]
    assert step(**a_set("tell", "{{ current.subject }} {{ x }}")).checks == ()
    assert step(type="stop", config={"message": "Nothing to do", "skip": True}).checks == ()


def test_a_template_that_fails_names_its_place_by_the_alias_of_its_step():
    with pytest.raises(ExpressionFailed, match=r"^Step tell, config.value.lines\[1\]: `x.y` is not known here"):
        step(**a_set("tell", {"lines": [1, "{{ x.y }}"]})).render({"x": {}})
    switch = step(type="switch", config={"on": 1}, cases=[{"case": "{{ x.y }}", "steps": []}])
    with pytest.raises(ExpressionFailed, match=r"^Step tell, cases\[0\].case: `x.y` is not known here"):
        switch.heads[0].render({"x": {}})
