"""Lists by key: every page continues after the last key of the one before, so page 10,000 costs what page 1 costs.

A cursor is the signed key, good only for the list that gave it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core import signing
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from director.api.errors import CursorInvalid

M = TypeVar("M", bound=Model)

SALT = "director.api.cursor"
MAX_LIMIT = 500


class PageQuery(serializers.Serializer[Any]):
    """The query parameters of every list."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=50, help_text="How many items a page has at most."
    )
    cursor = serializers.CharField(
        required=False, max_length=1000, help_text="Where the page begins; follow `next` rather than making one."
    )


def position(request: Request, cursor: str | None) -> Any:
    """Return the key after which the page begins, or None for the first page; raises CursorInvalid."""
    if cursor is None:
        return None
    try:
        return signing.loads(cursor, salt=_salt(request))
    except signing.BadSignature as error:
        raise CursorInvalid from error


def next_url(request: Request, next_key: Any) -> str | None:
    """Return the address of the page after `next_key` (a JSON value, given back by `position`); None after the last."""
    if next_key is None:
        return None
    cursor = signing.dumps(next_key, salt=_salt(request))
    return replace_query_param(request.build_absolute_uri(), "cursor", cursor)


def page_response(request: Request, results: Any, next_key: Any) -> Response:
    """Return the answer of a list: `results` and `next` (see `next_url`), the latter also as a Link header."""
    url = next_url(request, next_key)
    return Response({"results": results, "next": url}, headers={"Link": f'<{url}>; rel="next"'} if url else None)


def page_of(
    request: Request,
    rows: QuerySet[M],
    query: dict[str, Any],
    shape: type[serializers.Serializer[Any]],
    *,
    key: tuple[str, ...] = ("id",),
    newest_first: bool = False,
    prepare: Callable[[Sequence[M]], Sequence[Any]] = list,
) -> Response:
    """Return one page of `rows`, ordered by the columns of their unique `key`, in one query.

    query: the validated parameters of a PageQuery. shape: the serializer of what `prepare` makes of the page's rows.
    """
    if after := position(request, query.get("cursor")):
        beyond = TupleLessThan if newest_first else TupleGreaterThan
        rows = rows.filter(beyond(Tuple(*map(F, key)), tuple(after)))
    order = [f"-{column}" if newest_first else column for column in key]
    found = list(rows.order_by(*order)[: query["limit"] + 1])
    page = found[: query["limit"]]
    more = len(found) > len(page)
    results = shape(prepare(page), many=True, context={"request": request}).data
    return page_response(request, results, _key_of(page[-1], key) if more else None)


def _key_of(row: Model, key: tuple[str, ...]) -> list[Any]:
    values = (getattr(row, column) for column in key)
    return [value if isinstance(value, int) else str(value) for value in values]


def _salt(request: Request) -> str:
    return f"{SALT}:{request.path}"
