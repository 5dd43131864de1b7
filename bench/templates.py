"""What a template costs: median and 99th percentile of one rendering, in microseconds.

python -m bench.templates
"""

import time
from datetime import UTC, datetime
from statistics import quantiles

from workflows.expressions import RecordView, compile_template

RUNS = 20_000
TEMPLATES = {
    "a field": "{{ current.subject }}",
    "a path": "{{ extract.items[0].name }}",
    "a condition": "{{ 'invoice' in current.subject | lower }}",
    "two fields in text": "Hi {{ current.sender }}, {{ current.amount }} left",
    "joined and upper-cased": "{{ (current.subject ~ ' ' ~ current.sender) | upper }}",
    "a config": {"to": "{{ current.sender }}", "fixed": {"a": [1, 2, 3]}, "lines": ["{{ threshold }}", 1]},
    "a loop over 20": "{% for line in current.lines %}{{ loop.index }}. {{ line.sku }}\n{% endfor %}",
    "sum of 20": "{{ current.lines | sum(attribute='net') | round(2) }}",
    "a pattern": "{{ current.subject | regex_search('[0-9]+') }}",
}
FIELDS = {
    "subject": "Invoice 4711 from Müller & Co",
    "sender": "billing@mueller.example",
    "amount": 119.5,
    "lines": [{"sku": f"A{number}", "net": number * 1.5} for number in range(20)],
}
SCOPE = {
    "current": RecordView("email_001", "email", "processing", {"fields": FIELDS, "vars": {}, "targets": {}}),
    "extract": {"items": [{"name": "Ada"}]},
    "threshold": 100,
    "now": lambda: datetime.now(UTC),
}


def measure(source: object) -> tuple[float, float]:
    """Return (median, 99th percentile) of rendering, in microseconds."""
    template = compile_template(source, "bench")
    spans = []
    for _ in range(RUNS):
        began = time.perf_counter_ns()
        template.render(SCOPE)
        spans.append((time.perf_counter_ns() - began) / 1000)
    cuts = quantiles(spans, n=100)
    return cuts[49], cuts[98]


if __name__ == "__main__":
    for name, source in TEMPLATES.items():
        median, worst = measure(source)
        print(f"{name:>24}  {median:7.2f} µs  p99 {worst:7.2f} µs")
