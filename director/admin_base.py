"""What the admin pages of all apps share: lists that never count a huge table, and rows that only services write."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from director import json_view

COUNT_LIMIT = 5_000  # rows that a list counts and pages through; filters and search narrow a longer one

M = TypeVar("M", bound=Model)


class LimitedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to COUNT_LIMIT, so that a page of a huge table costs what a page of a small one costs."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:COUNT_LIMIT].count()


class LargeTableAdmin(admin.ModelAdmin[M]):
    """A list over a table that may hold millions of rows.

    scope: the filter parameter that makes a list short enough for the filters and searches named in `scoped_filter`
    and `scoped_search`; without it they are not offered, as they would read the whole table.
    """

    paginator = LimitedPaginator
    show_full_result_count = False
    list_per_page = 50
    scope = ""
    scoped_filter: tuple[str, ...] = ()
    scoped_search: tuple[str, ...] = ()

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (*self.list_filter, *(self.scoped_filter if self.is_scoped(request) else ()))

    def get_search_fields(self, request: HttpRequest) -> Any:
        return (*self.search_fields, *(self.scoped_search if self.is_scoped(request) else ()))

    def is_scoped(self, request: HttpRequest) -> bool:
        return bool(self.scope) and self.scope in request.GET


class ReadOnly:
    """Mixed into an admin: rows may be looked at; nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False


def shown_json(field: str, cleaned: Callable[[Any, Any], Any]) -> Any:
    """Return a column that shows the JSON in `field` as `cleaned`, which is given it and its row, lets it be seen."""

    @admin.display(description=field.replace("_", " "))
    def column(_: Any, row: Any) -> SafeString:
        return json_view.render(cleaned(getattr(row, field), row), field)

    return column
