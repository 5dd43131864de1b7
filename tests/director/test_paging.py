import pytest

from director.paging import Cursor, page_by
from tests.factories import make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def names():
    for letter in "abcde":
        make_workflow(name=letter, slug=letter)
    return lambda cursor, **options: page_by(Workflow.objects.all(), ["name", "id"], cursor, size=2, **options)


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_are_walked_to_the_end_and_back(names, newest_first):
    first = names("", newest_first=newest_first)
    second = names(first.next, newest_first=newest_first)
    last = names(second.next, newest_first=newest_first)
    again = names(last.previous, newest_first=newest_first)

    walked = [one.name for page in (first, second, last) for one in page.rows]
    assert walked == sorted("abcde", reverse=newest_first)
    assert [one.name for one in again.rows] == [one.name for one in second.rows]
    assert (again.first, again.last, last.next, first.previous) == (3, 4, "", "")


@pytest.mark.parametrize("cursor", ["?", str(Cursor(["a"])), str(Cursor(["a", "no id"])), str(Cursor(["a", 2**70]))])
def test_a_cursor_that_was_not_given_out_leads_to_the_first_page(names, cursor):
    assert [one.name for one in names(cursor).rows] == ["a", "b"]
