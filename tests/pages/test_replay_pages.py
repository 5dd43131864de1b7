"""The replay panel: what it says beforehand, what it refuses and where, that it asks, and where it leads."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from executions.models import Execution, ExecutionStep
from records.masking import MASK
from tests.executions.running import drive, email, outputs, publish, run
from tests.factories import make_user
from tests.pages.conftest import client_of

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true", "HX-Target": "replay-effect"}
SEND = """
director: 1
name: Letters
steps:
  - alias: each
    type: iterate
    config: {{over_records: "email_*"}}
    body:
      - {{alias: kind, type: set, config: {{value: "{{{{ current.kind | upper }}}}"}}, store_to_record: true}}
      - alias: send
        type: test_once
        config: {{path: "{path}/sent", to: "{{{{ current.vars.kind }}}}", token: "s3cret-of-{{{{ current.record_id }}}}"}}
      - {{alias: after, type: set, config: {{value: "{{{{ kind }}}} sent"}}}}
"""


def letters(folder, count: int) -> Execution:
    """A run over so many records, of which the second fails at its first step."""
    workflow = publish(SEND.format(path=folder))
    for number in range(1, count + 1):
        email(workflow, number, **({} if number == 2 else {"kind": f"letter {number}"}))
    return run(workflow)


def owner() -> Client:
    return client_of(User.objects.get(username="owner"))


def effect(execution: Execution, **form: object):
    return owner().post(f"/executions/{execution.number}/replay/effect/", form, headers=HTMX)


def text(response) -> str:
    html = re.sub(r"<(svg|dialog)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").replace("&quot;", '"').split())


def change(step: str, json: str, *, part: str = "input", record: str = "", key: str = "a", base: int = 0) -> dict:
    names = {"step": step, "part": part, "for": record, "json": json, "base": base}
    return {"change": [key], **{f"{name}-{key}": value for name, value in names.items()}}


def test_the_effect_says_in_numbers_what_stands_what_runs_and_what_would_happen_again(tmp_path):
    original = letters(tmp_path, 3)

    whole, later = text(effect(original)), text(effect(original, step="after"))
    failed = text(effect(original, which="failed"))
    one = text(effect(original, step="send", which="one", record="email_001"))

    assert "3 records, up to 3 steps will run. Nothing is reused." in whole
    assert "Would happen again send runs 2 more times ; at most 1 for the first time" in whole
    assert "4 outcomes of 2 steps are reused" in later
    assert "No side effect happens again." not in later, "the failed one comes to send for the first time"
    assert "May happen for the first time send runs at most 1 time" in failed
    assert "1 record, up to 2 steps will run. 1 outcome of 1 step is reused." in one
    assert "send runs 1 more time" in one
    assert "Replay 1 record" in one
    assert Execution.objects.count() == 1


def test_a_dry_effect_names_what_is_answered_from_recordings(tmp_path):
    said = text(effect(letters(tmp_path, 3), dry="on"))

    assert "Nothing is written and nothing sent: send is answered from what was recorded." in said
    assert "Would happen again" not in said
    assert "Dry run 3 records" in said


def test_a_choice_that_cannot_be_replayed_is_refused_with_the_reason(tmp_path):
    original = letters(tmp_path, 2)
    publish(SEND.format(path=tmp_path).replace("alias: kind", "alias: sort").replace("{{ kind }}", "{{ sort }}"))

    for form, reason in (
        ({"step": "sned"}, 'Did you mean "send"?'),
        ({"which": "one", "record": "email_009"}, "none of its records is meant"),
        ({"which": "one"}, "say its id"),
        ({"which": "filter"}, "say a pattern of ids or how the records ended"),
        ({"step": "kind", "version": "2"}, "the other version has lost step kind"),
        ({"version": "7"}, "7"),
    ):
        refused = effect(original, **form)
        assert refused.status_code == 422, form
        assert reason in text(refused), form
        assert owner().post(f"/executions/{original.number}/replay/", form, headers=HTMX).status_code == 422
    assert Execution.objects.count() == 1


def test_what_is_wrong_with_a_change_stands_below_it(tmp_path):
    original = letters(tmp_path, 1)

    for given, wrong in (
        (change("kind", '{"value": 1'), "is not JSON"),
        (change("kind", "[1]"), "It is no object"),
        (change("kind", '{"valeu": 1}'), "`valeu` is not known here; the keys are value, variable."),
        (change("kind", '{"variable": 3}'), "variable must be text"),
        (change("nothing", '{"value": 1}'), "has no step"),
        (change("kind", '{"value": 1}', record="email_009"), 'does not walk a record "email_009"'),
        (change("send", f'{{"path": "x", "secret": "{MASK}"}}'), "is a mask, not a value"),
    ):
        refused = effect(original, **given)
        below = re.search(
            r'<div id="said-a" class="tf-err" role="alert" hx-swap-oob="true">(.*?)</div>', refused.content.decode()
        )
        assert refused.status_code == 422, given
        assert below, given
        assert wrong in re.sub(r"<[^>]+>|&quot;", '"', below[1]).replace('""', "").replace("&#x27;", "'"), given
    twice = change("kind", '{"value": 1}') | {"change": ["a", "b"]}
    twice |= {name: value for name, value in change("kind", "2", part="output", key="b").items() if name != "change"}
    assert "is changed twice for the same records" in text(effect(original, **twice))


def test_a_row_begins_with_what_was_recorded_and_only_what_is_edited_is_said(tmp_path):
    original = letters(tmp_path, 3)
    url = f"/executions/{original.number}/replay/change/"

    row = owner().get(url, {"step": "send", "which": "one", "record": "email_001"}).content.decode()
    shown = re.search(r"<textarea[^>]*>(.*?)</textarea>", row, re.DOTALL)[1].replace("&quot;", '"')
    base = re.search(r'name="base-(\w+)" value="(\d+)"', row)
    given = change("send", shown.replace("LETTER 1", "CARD"), record="email_001", key=base[1], base=int(base[2]))
    said = effect(original, which="one", record="email_001", **given)
    owner().post(f"/executions/{original.number}/replay/", {"which": "one", "record": "email_001", **given})

    assert "s3cret" not in row
    assert MASK in shown
    assert "Changes to" in text(said)
    again = drive(Execution.objects.get(replay_of=original))
    assert ExecutionStep.objects.get(execution=again, alias="send").input["to"] == "CARD"
    assert ExecutionStep.objects.get(execution=again, alias="send").input["token"] == "s3cret-of-email_001"


def test_starting_leads_to_the_new_execution_which_links_to_the_old_and_back(tmp_path):
    original = letters(tmp_path, 3)
    form = {"step": "after", "reason": "The wording changed.", **change("after", '"by hand"', part="output")}

    answer = owner().post(f"/executions/{original.number}/replay/", form, headers=HTMX)
    again = drive(Execution.objects.get(replay_of=original))

    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/executions/{again.number}/")
    assert again.interventions.get().reason == "The wording changed."
    assert "by hand" in list(
        ExecutionStep.objects.filter(execution=again, alias="after").values_list("output", flat=True)
    )
    there = owner().get(f"/executions/{again.number}/replays/").content.decode()
    back = owner().get(f"/executions/{original.number}/replays/").content.decode()
    compared = f'href="/executions/{original.number}/compare/{again.number}/"'
    assert f'Replay of <a href="/executions/{original.number}/">' in there
    assert f'<a href="/executions/{again.number}/">#{again.number}</a> (replay)' in back
    assert compared in there
    assert compared in back


def test_many_records_are_asked_about_first_and_again_when_there_are_more_than_was_said_yes_to(tmp_path):
    original = letters(tmp_path, 30)
    url = f"/executions/{original.number}/replay/"

    asked = owner().post(url, headers=HTMX)
    of_fewer = owner().post(url, {"agreed": "20"}, headers=HTMX)
    agreed = owner().post(url, {"agreed": "30"}, headers=HTMX)

    for answer in (asked, of_fewer):
        assert answer.status_code == 200
        html = answer.content.decode()
        assert "<dialog" in html
        assert 'name="agreed" value="30"' in html
        assert html.count("29 more times") == 2, "beside the button and in the dialog"
    assert agreed.status_code == 204
    assert Execution.objects.count() == 2


def test_a_dry_replay_says_on_its_page_which_calls_had_no_recording(tmp_path):
    original = letters(tmp_path, 3)
    form = {"dry": "on", **change("send", '{"to": "nobody"}')}

    owner().post(f"/executions/{original.number}/replay/", form)
    dry = drive(Execution.objects.get(replay_of=original))
    said = text(owner().get(f"/executions/{dry.number}/replays/"))

    assert f"Dry replay of #{original.number} : nothing was written and nothing sent." in said
    assert "Without a recording, and so not made: send 2 times" in said
    clean = drive(_dry(original))
    assert "Every call had its recording." in text(owner().get(f"/executions/{clean.number}/replays/"))
    assert outputs(original, "after")


def _dry(original: Execution) -> Execution:
    owner().post(f"/executions/{original.number}/replay/", {"dry": "on", "step": "send"})
    return Execution.objects.filter(replay_of=original).order_by("-number")[0]


@pytest.mark.parametrize(
    "place", ["replay/", "replay/change/", "replays/", "compare/", "compare/{0}/", "compare/{0}/counts/"]
)
def test_a_stranger_gets_404_and_nobody_the_sign_in(tmp_path, place):
    original = letters(tmp_path, 1)
    url = f"/executions/{original.number}/{place}".format(original.number)

    assert owner().get(url).status_code in (200, 302)
    assert client_of(make_user()).get(url).status_code == 404
    assert Client().get(url).url.startswith("/accounts/login/")


def test_a_stranger_can_neither_look_ahead_nor_start(tmp_path):
    original = letters(tmp_path, 1)
    stranger = client_of(make_user())

    assert stranger.post(f"/executions/{original.number}/replay/effect/").status_code == 404
    assert stranger.post(f"/executions/{original.number}/replay/").status_code == 404
    assert owner().get(f"/executions/{original.number}/replay/effect/").status_code == 405
    assert Execution.objects.count() == 1


def test_the_panel_comes_alone_to_htmx_in_few_queries_and_fills_in_what_the_address_says(tmp_path):
    original = letters(tmp_path, 3)
    url = f"/executions/{original.number}/replay/?step=send&record=email_003"

    with CaptureQueriesContext(connection) as queries:
        panel = owner().get(url, headers={"HX-Request": "true", "HX-Target": "replay-panel"}).content.decode()
    page = owner().get(url).content.decode()

    assert len(queries) <= 7, [one["sql"] for one in queries]
    assert "<html" not in panel
    for html in (panel, page):
        assert '<option value="send" selected>' in html
        assert '<option value="one" selected>' in html
        assert 'value="email_003"' in html


def test_a_form_without_scripts_comes_back_as_a_page_with_what_was_typed(tmp_path):
    original = letters(tmp_path, 1)

    page = owner().post(
        f"/executions/{original.number}/replay/", change("kind", '{"valeu": 1}') | {"reason": "because"}
    )

    assert page.status_code == 422
    html = page.content.decode()
    assert "<html" in html
    assert "{&quot;valeu&quot;: 1}</textarea>" in html
    assert 'value="because"' in html
    assert "is not known here" in html
