"""What a record is called: Python and the database say the same."""

import pytest
from django.db import connection

from director.jsontools import dumps, loads
from records.secrets import NO_SECRETS
from records.titles import TITLE_SQL, shown_title, title_of


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"subject": "Offer", "name": "Kestrel"}, "Offer"),
        ({"subject": "", "name": None, "company": "Kestrel"}, "Kestrel"),
        (
            {"value": {"sku": "A-7", "sizes": [1, "größer"], "new": True}},
            '{"new": true, "sku": "A-7", "sizes": [1, "größer"]}',
        ),
        ({"value": 0}, "0"),
        ({"value": "x" * 200}, "x" * 120),
        ({"amount": 3}, ""),
    ],
)
def test_a_title_is_the_first_usual_field_and_no_text_is_shown_as_json(db: None, fields: dict, title: str):
    data = dumps({"fields": fields}).decode()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT d, {TITLE_SQL.format(data='d')} FROM (SELECT %s::jsonb AS d) t", [data])
        stored, told = cursor.fetchone()

    assert shown_title(told, NO_SECRETS) == title
    assert title_of(loads(stored)) == title
