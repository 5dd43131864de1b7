"""Expressions mean what they mean in Jinja: random ones give the same in its own sandbox."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflows.errors import ExpressionFailed
from workflows.expressions import compile_expression

JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
SCOPE = {
    "n": 7,
    "half": 0.5,
    "zero": 0,
    "text": "Invoice 17, overdue",
    "empty": "",
    "yes": True,
    "numbers": [3, 1, 2],
    "words": ["Beta", "alpha", "Gamma"],
    "things": [{"name": "a", "size": 2}, {"name": "b", "size": 1}],
    "deep": {"list": [1, [2, 3]], "name": "deep", "more": {"n": 1}},
}
PATHS = [
    "n",
    "half",
    "zero",
    "text",
    "empty",
    "yes",
    "numbers",
    "words",
    "deep.name",
    "deep['more'].n",
    "deep.list[1][0]",
]
PATHS += ["things[0].name", "things[-1].size", "numbers[1:]", "text[:7]", "missing", "deep.gone"]
LITERALS = [
    "0",
    "1",
    "-3",
    "2.5",
    "'x'",
    "'Invoice'",
    "''",
    "true",
    "false",
    "none",
    "[1, 2]",
    "[]",
    "('a', 1)",
    "{'k': 1}",
]
# Where text is made of what is no text, it is written as in JSON, and there the two differ.
TEXTS = ["text", "empty", "'x'", "deep.name", "words[1]", "('a' ~ text)", "(text if yes else '')"]
TEXT_FILTERS = ["upper", "lower", "title", "capitalize", "trim", "replace('a', 'b')", "wordcount", "truncate(9)"]
TEXT_FILTERS += ["center(9)", "indent(2)", "urlencode", "escape", "wordwrap(5)", "striptags", "map('upper')|list"]
FILTERS = ["length", "first", "last", "list", "reverse|list", "sort", "abs", "sum", "min", "max", "unique|list"]
FILTERS += ["default(5)", "round", "round(1, 'floor')", "select|list", "select('odd')|list", "reject('even')|list"]
FILTERS += ["selectattr('size', 'gt', 1)|list", "map(attribute='name')|list", "sum(attribute='size')", "dictsort"]
FILTERS += ["sort(attribute='name')", "batch(2)|list", "slice(2)|list", "items|list"]
TESTS = [
    "none",
    "string",
    "number",
    "mapping",
    "odd",
    "divisibleby(2)",
    "in [1, 7]",
    "eq 7",
    "defined",
    "sequence",
    "true",
]
OPERATORS = ["+", "-", "*", "/", "//", "%", "==", "!=", "<", ">=", "in", "not in", "and", "or"]

texts = st.builds("({})|{}".format, st.sampled_from(TEXTS), st.sampled_from(TEXT_FILTERS))
atoms = st.sampled_from(PATHS) | st.sampled_from(LITERALS) | texts
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds("({})|{}".format, inner, st.sampled_from(FILTERS)),
        st.builds("(({}) is {})".format, inner, st.sampled_from(TESTS)),
        st.builds("(not {})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({} < {} <= {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


def plain(value: Any) -> Any:
    """Tuples as lists, which is what JSON has."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def in_jinja(source: str) -> Any:
    """The value that Jinja gives; the exception class instead where it fails."""
    try:
        value = JINJA.compile_expression(source, undefined_to_none=False)(**SCOPE)
        assert not isinstance(value, StrictUndefined)
        return plain(value)
    except (
        TemplateError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        return type(error)


@given(expressions)
@settings(max_examples=300, deadline=None)
def test_an_expression_gives_what_jinja_gives(source):
    expected = in_jinja(source)

    try:
        given = compile_expression(source, "value").render(SCOPE)
    except ExpressionFailed as error:
        given = error

    if isinstance(given, ExpressionFailed):
        assert isinstance(expected, type) or is_stricter(given), f"{source}: {given} but Jinja gives {expected!r}"
    elif isinstance(expected, type):
        assert expected is not UndefinedError, f"{source}: gives {given!r} though a name in it is not known"
    else:
        assert given == expected, source


def is_stricter(error: ExpressionFailed) -> bool:
    """Where a failure is meant and Jinja is content: with names of no use to it, and with looping over nothing."""
    meant = ("is not known here", "an element has no", "it loops over", "finds nothing in", "`%` works between")
    return any(reason in error.reason for reason in meant)
