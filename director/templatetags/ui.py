"""The small parts that every page is made of: icons, status pills, stack bars, times and numbers in words."""

import math
import re
from collections.abc import Mapping, Sized
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from director import json_view
from executions.models import Execution, TriggerType

register = template.Library()

# Status -> icon and word. What looks alike on a page (a frame that failed, a step that was interrupted) shares a look.
STATUSES = {
    "discovered": ("circle-dashed", "Discovered"),
    "ready": ("circle-dashed", "Ready"),
    "queued": ("clock", "Queued"),
    "processing": ("loader-2", "Processing"),
    "running": ("loader-2", "Running"),
    "waiting": ("hourglass-low", "Waiting"),
    "complete": ("check", "Complete"),
    "completed": ("check", "Completed"),
    "failed": ("alert-triangle", "Failed"),
    "interrupted": ("alert-triangle", "Interrupted"),
    "paused": ("player-pause", "Paused"),
    "cancelled": ("ban", "Cancelled"),
    "skipped": ("player-skip-forward", "Skipped"),
    "reused": ("copy-check", "Reused"),
    "overridden": ("pencil", "Set by hand"),
    "published": ("circle-check", "Published"),
    "draft": ("pencil", "Draft"),
}
LOOKS = {
    "ready": "discovered",
    "queued": "discovered",
    "interrupted": "failed",
    "reused": "complete",
    "overridden": "complete",
}

# Stack bars always run in this order; what is not in it is not drawn.
BAR_ORDER = ("complete", "processing", "waiting", "failed", "paused", "discovered", "skipped", "cancelled")

TRIGGERS = {
    TriggerType.MANUAL: ("hand-click", "By hand"),
    TriggerType.API: ("api", "By the API"),
    TriggerType.COMMAND: ("terminal-2", "By command"),
    TriggerType.RETRY: ("repeat", "Retry"),
    TriggerType.REPLAY: ("repeat", "Replay"),
}

CODE = re.compile(r"`([^`\n]+)`")

MISSING_ICON = '<path d="M12 12m-9 0a9 9 0 1 0 18 0a9 9 0 1 0 -18 0" />'


@cache
def icon_paths(name: str) -> str:
    """Return the drawing inside a Tabler outline icon; a plain circle where the package has no such name."""
    file = settings.ICONS_DIR / f"{name}.svg"
    if not name.replace("-", "").isalnum() or not file.is_file():
        return MISSING_ICON
    svg = file.read_text()
    paths = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    return "".join(line.strip() for line in paths.splitlines() if 'd="M0 0h24v24H0z"' not in line)


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """`{% icon "mail" %}` or `{% icon "mail" "sm" %}` (xs, sm, lg): the SVG itself, hidden from screen readers."""
    paths = mark_safe(icon_paths(name))  # noqa: S308 - from the vendored package
    css = f"icon icon-{size}" if size else "icon"
    return format_html('<svg class="{}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', css, paths)


@register.simple_tag
def tile(family: str, icon_name: str, size: str = "") -> SafeString:
    """The coloured square of a step family, with its icon."""
    return format_html('<span class="tile {} {}">{}</span>', family, size, icon(icon_name))


@register.simple_tag
def status(value: str, label: str = "", look: str = "") -> SafeString:
    """The status pill: icon, word and colour together. `look`: "lg", "bare" or both."""
    icon_name, word = STATUSES.get(value, ("circle-dashed", value.capitalize()))
    shown = LOOKS.get(value, value)
    return format_html('<span class="st {}" data-status="{}">{}{}</span>', look, shown, icon(icon_name), label or word)


@register.filter
def status_icon(value: str) -> SafeString:
    return icon(STATUSES.get(value, ("circle-dashed", ""))[0])


@register.simple_tag
def stackbar(counts: Mapping[str, int], look: str = "", prefix: str = "") -> SafeString:
    """A bar of the counts by status, read out as "24 complete, 2 failed"."""
    parts = [(name, counts[name]) for name in BAR_ORDER if counts.get(name)]
    words = ", ".join(f"{count:,} {name}" for name, count in parts) or "nothing yet"
    drawn = format_html_join("", '<i class="{}" style="flex:{}"></i>', parts)
    return format_html('<div class="stackbar {}" role="img" aria-label="{}{}">{}</div>', look, prefix, words, drawn)


# --- times ------------------------------------------------------------------------------------------------------------


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """1.9 s, 3 m 41 s, 2 h 05 m, 3 d 4 h."""
    if seconds is None:
        return ""
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if total < 0.0995:
        if total < 0.00005:
            return "<0.1 ms"
        return f"{total * 1000:.1f} ms" if total < 0.00995 else f"{total * 1000:.0f} ms"
    if total < 9.95:
        return f"{total:.1f} s"
    whole = math.floor(total + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def milliseconds(value: float | None) -> str:
    return "" if value is None else duration(value / 1000)


@register.filter
def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Relative up to a day ("now", "16 min", "3 h"), then "yesterday", then the date."""
    if moment is None:
        return ""
    seconds = ((now or timezone.now()) - moment).total_seconds()
    if seconds < 0:
        return f"in {ago_words(-seconds) or day(moment)}"
    if seconds < 45:
        return "now"
    return ago_words(seconds) or day(moment)


def ago_words(seconds: float) -> str:
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    return f"{round(seconds / 3600)} h" if seconds < 86400 else ""


def day(moment: datetime) -> str:
    local, today = timezone.localtime(moment), timezone.localdate()
    if local.date() == today - timedelta(days=1):
        return "yesterday"
    return date_words(local.date(), today)


def date_words(which: date, today: date) -> str:
    return f"{which:%-d %b}" if which.year == today.year else f"{which:%-d %b %Y}"


@register.filter
def clock_words(moment: datetime) -> str:
    """09:17:22 today, "20 Nov, 08:58" on another day."""
    local, today = timezone.localtime(moment), timezone.localdate()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{date_words(local.date(), today)}, {local:%H:%M}"


@register.simple_tag
def since(moment: datetime | None) -> SafeString:
    """A `time` element with the relative time; the full time with its zone is in its title."""
    return _time(moment, ago(moment), " data-ago") if moment else SafeString()


@register.simple_tag
def since_ago(moment: datetime | None) -> SafeString:
    """The same within a sentence: "16 min ago"."""
    if moment is None:
        return SafeString()
    words = ago(moment)
    return _time(moment, f"{words} ago" if words.endswith((" min", " h")) else words, ' data-ago="ago"')


@register.simple_tag
def clock(moment: datetime | None) -> SafeString:
    """A `time` element with the time of day, or the date too when it is not today."""
    return _time(moment, clock_words(moment)) if moment else SafeString()


def _time(moment: datetime, words: str, mark: str = "") -> SafeString:
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        local.isoformat(timespec="seconds"),
        f"{local:%A, %-d %B %Y, %H:%M:%S %Z}",
        mark_safe(mark),  # noqa: S308 - ours
        words,
    )


# --- numbers and words ------------------------------------------------------------------------------------------------


@register.filter
def number(value: float | None) -> str:
    """1,284; nothing for None."""
    return "" if value is None else f"{value:,}"


@register.filter
def short(count: int) -> str:
    """A count for a small place, rounded down: 34, 1.9k, 12k, 3M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count * 10 // size / 10:g}{unit}" if count < 10 * size else f"{count // size}{unit}"
    return str(count)


@register.filter
def plural(count: int, word: str) -> str:
    """`{{ 2|plural:"record" }}` is "2 records"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


@register.filter
def initials(user: Any) -> str:
    """MO for Maya Okafor; the first two letters of the user name where there is no name."""
    name = user.get_full_name() if user else ""
    words = name.split() or [user.get_username() if user else "?"]
    return (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()


@register.filter
def person(user: Any) -> str:
    return (user.get_full_name() or user.get_username()) if user else "Somebody"


@register.filter
def avatar(user: Any) -> str:
    """One of three tints, the same for a person on every page."""
    return ("", "b", "c")[user.pk % 3] if user else ""


@register.filter
def at(mapping: Mapping[Any, Any], key: Any) -> Any:
    """`{{ counts|at:alias }}`: the value of a key that is only known in the template; None without either."""
    return mapping.get(key) if mapping else None


@register.filter
def words(text: str) -> list[str]:
    """`{% for name in "failed waiting"|words %}`: the words of a text."""
    return text.split()


@register.filter
def missing(items: Sized, wanted: int) -> range:
    """As many turns as the list lacks to `wanted`."""
    return range(max(0, wanted - len(items)))


@register.filter
def trigger(execution: Execution) -> tuple[str, str]:
    """The icon of what started the execution, and in words what or who it was."""
    icon_name, said = TRIGGERS[TriggerType(execution.trigger_type)]
    return icon_name, f"{said}, {person(execution.started_by)}" if execution.started_by else said


@register.filter
def prose(text: str) -> SafeString:
    """What an error says; the parts of it between backticks are shown as code."""
    return mark_safe(CODE.sub(r"<code>\1</code>", conditional_escape(text)))  # noqa: S308 - escaped


@register.simple_tag
def json(value: Any, label: str) -> SafeString:
    """A value as coloured JSON in a scrollable box; cut where it is long."""
    return json_view.render(value, label)


@register.filter
def brief(value: Any) -> str:
    """A value in one short line, as lists and tables show it."""
    return json_view.brief(value)
