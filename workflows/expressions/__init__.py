"""Templates and conditions: what stands between `{{` and `}}` in a definition.

    compile_template(source, where) -> Template      any JSON value; `.render(scope)` gives the value
    compile_expression(source, where) -> Expression  with or without braces; `.test(scope)` gives a bool
    RecordView                                       what `current`, `outer` and `records.<id>` are in a template

The language is Jinja's: its parser reads it. What it can reach and how much it may do is decided here (`compiler`,
`limits`). It differs from Jinja where data is concerned: a name that leads nowhere is an error at once; null is written
as nothing and true, lists and objects as in JSON; filters give lists, not iterators; `int` and `float` refuse what is
not a number unless they are told what to take instead.
"""

from workflows.expressions.templates import Constant, Expression, Template, compile_expression, compile_template
from workflows.expressions.views import RecordView

__all__ = ["Constant", "Expression", "RecordView", "Template", "compile_expression", "compile_template"]
