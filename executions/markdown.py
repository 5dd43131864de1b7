"""Markdown that workflows write, as HTML that is safe to show."""

from __future__ import annotations

import mistune
import nh3
from django.utils.safestring import SafeString, mark_safe

TAGS = set(
    "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li a table thead tbody tr th td mark".split()
)
MAX_CHARACTERS = 100_000

_render = mistune.create_markdown(escape=True, hard_wrap=True, plugins=["strikethrough", "table", "url", "mark"])


def to_html(text: str) -> SafeString:
    """Return the text as HTML: no scripts, no styles, no images (they would tell others who reads)."""
    html = str(_render(text[:MAX_CHARACTERS]))
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return mark_safe(clean)  # noqa: S308 - it was cleaned
