"""What may stand after a bar (filters) and after `is` (tests) in a template."""

from workflows.expressions.filters import data, lists, tests, text
from workflows.expressions.filters.registry import FILTERS, TESTS, apply_filter, apply_test, misuse

__all__ = ["FILTERS", "TESTS", "apply_filter", "apply_test", "data", "lists", "misuse", "tests", "text"]
