"""The examples of docs/data.md do what they say."""

import doctest
from pathlib import Path

import pytest

from tests.factories import make_user, make_workflow

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.django_db
def test_the_examples_of_the_page_do_what_they_say():
    maya = make_user("maya")
    names = {"workflow": make_workflow(maya, name="Inbox triage"), "maya": maya}
    examples = doctest.DocTestParser().get_doctest(PAGE.read_text(), names, PAGE.name, str(PAGE), 0)
    told = []

    # The text of an error is part of what the page tells; the traceback above it is not.
    doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=told.append)

    assert not told, "".join(told)
    assert len(examples.examples) > 60
