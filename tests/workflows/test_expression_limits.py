"""Templates that grow, loop or reach for Python: each ends soon, small and with a reason."""

import resource
import sys
import time

import pytest

from workflows.errors import ExpressionFailed, ExpressionInvalid
from workflows.expressions import RecordView, compile_template

DOUBLING = "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}"
NESTED = "{{ (((1" + " + 1" * 2000 + "))) }}"
SCOPE = {
    "big": list(range(100_000)),
    "text": "a-" * 500_000,
    "current": RecordView("r", "t", "processing", {"fields": {"subject": "x"}}),
}
MEMORY = 200 * 1024 * 1024  # bytes


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**9 }}",
        "{{ [0] * 10**9 }}",
        "{{ [[[[0] * 999] * 999] * 999] * 999 }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x' | indent(10**9) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ '%.999999999f' | format(1) }}",
        "{{ '%*d' | format(999999999, 1) }}",
        "{{ 'x%s' % text }}",
        "{{ 9 ** 999999999 }}",
        "{{ (2 ** 4000) * (2 ** 4000) }}",
        "{{ range(10**12) }}",
        "{{ range(10**12) | list }}",
        "{{ text | replace('', text) }}",
        "{{ text | regex_replace('', 'x' * 40000) }}",
        "{{ text.join(text) }}",
        "{{ text ~ text ~ text }}",
        "{% for i in big %}{{ 'twenty characters xx' }}{% endfor %}",
        "{% for i in big %}{% for j in big %}{% endfor %}{% endfor %}",
        "{% for i in big %}{% if i in big %}{% endif %}{% endfor %}",
        "{{ big | select('in', big) | length }}",
        "{{ [big] * 9 | map('sort') | list | length }}",
        "{{ big | batch(1, 'x') | map('tojson') | map('fromjson') | list | tojson }}",
        "{{ [text, text] | tojson }}",
        "{{ ('[' * 900 ~ ']' * 900) | fromjson }}",
        DOUBLING,
    ],
)
def test_what_grows_or_loops_without_end_fails_soon_and_small(source):
    before, began = peak_memory(), time.thread_time()

    with pytest.raises(ExpressionFailed):
        compile_template(source, "value").render(SCOPE)

    assert time.thread_time() - began < 5
    assert peak_memory() - before < MEMORY


@pytest.mark.parametrize("source", ["x" * 70_000 + "{{ a }}", NESTED, "{{ " + "(" * 5000 + ")" * 5000 + " }}"])
def test_what_is_too_long_or_too_deep_is_not_compiled(source):
    with pytest.raises(ExpressionInvalid):
        compile_template(source, "value")


@pytest.mark.parametrize("backtracking", ["(a|a)*b", "(a*)*b", "(?:a+)+$"])
def test_a_regular_expression_takes_linear_time(backtracking):
    scope = {"text": "a" * 100_000 + "!", "pattern": backtracking}

    began = time.thread_time()
    found = compile_template("{{ text | regex_search(pattern) }}", "value").render(scope)

    assert found is None
    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ().__class__.__mro__[1].__subclasses__() }}",
        "{{ current.__init__.__globals__ }}",
        "{{ current.data }}",
        "{{ current['find'] }}",
        "{{ current | map(attribute='__class__') | list }}",
        "{{ [current] | map(attribute='__class__') | list }}",
        "{{ big.append(1) }}",
        "{{ big.__len__() }}",
        "{{ '{0.__class__}'.format(current) }}",
        "{{ '%(x)s' | format(x=current.__class__) }}",
        "{{ now.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ range.__class__ }}",
        "{{ namespace() }}",
        "{% import 'os' as os %}",
        "{{ x.__class__ if x is defined else ''.__class__ }}",
    ],
)
def test_nothing_of_python_can_be_reached(source):
    with pytest.raises((ExpressionFailed, ExpressionInvalid)):
        compile_template(source, "value").render({**SCOPE, "now": lambda: None})


def test_data_may_have_names_like_those_of_python():
    scope = {"body": {"__class__": "first", "items": [1], "keys": {"values": 2}}}

    rendered = compile_template(
        "{{ [body.__class__, body.items, body.keys.values, body.get('x', 3)] }}", "value"
    ).render(scope)

    assert rendered == ["first", [1], 2, 3]
