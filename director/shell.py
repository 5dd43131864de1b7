"""What the shell around every page shows: where one can go, what needs a person, the theme."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from executions.notifications import unread
from executions.queries import open_executions
from executions.queries.prompts import waiting_for
from records.page_queries import failed_records

THEMES = ("light", "dark")
# Pages with much beside each other: the navigation is folded to its icons.
FOLDED = {"workflow_page", "workflow_executions", "execution_page", "step_page", "compare_page", "shadow_report"}

# Pages of an execution that are not called after it.
OF_EXECUTIONS = {"step_page", "replay_page", "compare_page", "shadow_report"}


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation. `key` is the letter after G, `count` names the number beside it."""

    url_name: str
    label: str
    short: str
    icon: str
    key: str
    section: str
    count: str = ""


PLACES = (
    Place("home", "Home", "Home", "home", "h", "home"),
    Place("prompt_list", "Inbox", "Inbox", "inbox", "i", "prompt", "prompts"),
    Place("workflow_list", "Workflows", "Workflows", "sitemap", "w", "workflow"),
    Place("execution_list", "Executions", "Runs", "activity", "e", "execution", "executions"),
    Place("record_list", "Records", "Records", "database", "r", "record", "records"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of every template. The counts are a function: a fragment that does not show them costs nothing."""
    theme, match = request.COOKIES.get("theme", ""), request.resolver_match
    page = (match.url_name if match else None) or ""
    return {
        "places": PLACES,
        "theme": theme if theme in THEMES else "",
        "section": "execution" if page in OF_EXECUTIONS else page.split("_")[0],
        "rail": page in FOLDED,
        "shell_counts": counts_for(request),
    }


def counts_for(request: HttpRequest) -> Callable[[], dict[str, int]]:
    """Return what counts prompts, running executions, failed records and unread notifications, once per request."""
    found: dict[str, int] = {}

    def counts() -> dict[str, int]:
        if not found and request.user.is_authenticated:
            found.update(_counted(request.user))
        return found

    return counts


class Count(Subquery):
    """How many rows a query has, as a column of another query."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


COUNTED = ("prompts", "executions", "records", "notifications")


def _counted(user: Any) -> dict[str, int]:
    """The four counts. One query."""
    counts = (
        Count(waiting_for(user)),
        Count(open_executions(user)),
        Coalesce(Subquery(failed_records(user)), 0),
        Count(unread(user)),
    )
    return dict(zip(COUNTED, get_user_model().objects.filter(pk=user.pk).values_list(*counts).get(), strict=True))
