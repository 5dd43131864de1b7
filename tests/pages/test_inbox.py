"""The inbox, the dialog of a prompt, many answered alike, and the page behind a link in a mail."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from executions.models import HumanPrompt
from executions.prompts import services as prompts
from executions.prompts.links import link_for
from tests.executions.prompting import ask, lead, person
from tests.executions.running import drive, outputs

pytestmark = pytest.mark.django_db(transaction=True)

MODAL = {"HX-Request": "true", "HX-Target": "modal"}
GOOD = {"field.company": "Kestrel", "field.seats": "12", "action": "approve", "comment": "fine"}


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def path_of(link: str) -> str:
    return link[link.index("/prompts/") :]


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_inbox_shows_mine_my_teams_and_all_each_in_few_queries():
    priya, owner = person("priya", "Sales"), person("owner")
    ask("assignees: priya\ntimeout: 20m\non_timeout: {branch: reject}")
    ask("assignees: Sales", first=2, records=30)

    client = browser(priya)
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/prompts/")

    assert len(queries) <= 10, [one["sql"] for one in queries]
    html = text(page)
    assert html.count('<li id="prompt-') == 1
    assert "then rejected" in html
    assert 'class="cd soon"' in html
    assert 'id="nav-count-prompts">31' in html
    for tab, rows in (("groups", 30), ("all", 31), ("answered", 0)):
        assert text(browser(priya).get(f"/prompts/?tab={tab}")).count('<li id="prompt-') == rows
    assert "Nothing waits for you" in text(browser(owner).get("/prompts/"))
    assert "Open 30 prompts for my teams" in text(browser(person("sam", "Sales")).get("/prompts/"))
    assert text(browser(owner).get("/prompts/?tab=all&q=email_030")).count('<li id="prompt-') == 1
    assert "No prompt matches" in text(browser(owner).get("/prompts/?tab=all&q=nothing"))


def test_a_prompt_has_an_address_of_its_own_and_the_dialog_comes_alone_to_htmx():
    owner = person("owner")
    _, (prompt,) = ask("assignees: priya" if person("priya") else "")
    client = browser(owner)

    page, dialog = text(client.get(f"/prompts/{prompt.pk}/")), text(client.get(f"/prompts/{prompt.pk}/", headers=MODAL))

    assert "data-open-now" in page
    assert "<html" not in dialog
    for html in (page, dialog):
        assert 'id="pm-t">Check the lead' in html
        assert "You may see this but not answer it: others are asked." in html
        assert "<strong>really</strong>" in html
    assert browser(person("stranger")).get(f"/prompts/{prompt.pk}/").status_code == 404


def test_a_refused_answer_comes_back_with_each_error_at_its_field_and_what_was_typed():
    _, (prompt,) = ask()

    response = browser(person("owner")).post(
        f"/prompts/{prompt.pk}/",
        {"field.company": "", "field.seats": "0", "field.segment": "enterprise", "action": "reject", "comment": "hm"},
        headers=MODAL,
    )

    html = text(response)
    assert response.status_code == 422
    assert re.search(r'id="f-company"[^>]*aria-invalid="true"[^>]*aria-describedby="f-company-e', html)
    assert "Must be at least 1." in html
    assert re.search(r'data-field="contract">', html), "the condition holds now"
    assert re.search(r'value="reject" checked', html)
    assert ">hm</textarea>" in html
    assert prompts.asked_of(person("owner")).exists()


def test_answering_opens_the_next_and_the_last_closes_the_dialog():
    execution, (first, second) = ask(records=2)
    client = browser(person("owner"))

    here = {"HX-Current-URL": f"http://testserver/prompts/{first.pk}/"}
    then = client.post(f"/prompts/{first.pk}/", GOOD, headers=MODAL | here)
    last = client.post(f"/prompts/{second.pk}/", GOOD, headers=MODAL)

    assert f'data-prompt="{second.pk}"' in text(then)
    assert then["HX-Push-Url"] == f"/prompts/{second.pk}/"
    assert (last.status_code, "prompt:closed" in last["HX-Trigger"]) == (204, True)
    drive(execution)
    assert outputs(execution, "won") == ["Kestrel", "Kestrel"]
    assert outputs(execution, "review")[0]["fields"] == {"company": "Kestrel", "seats": 12}


def test_who_comes_second_sees_who_is_answering_and_then_who_was_first():
    priya = person("priya", first_name="Priya", last_name="Nair")
    jonas = person("jonas")
    _, (prompt,) = ask("assignees: [priya, jonas]")
    url = f"/prompts/{prompt.pk}/"
    browser(priya).get(url, headers=MODAL)

    assert "Priya Nair is answering" in text(browser(jonas).get(url, headers=MODAL))
    browser(priya).post(url, GOOD, headers=MODAL)
    late = browser(jonas).post(url, GOOD, headers=MODAL)

    assert "Priya Nair answered &#x27;Check the lead&#x27; first" in text(late)
    assert "Send" not in text(late)


def test_which_fields_apply_follows_the_answer():
    _, (prompt,) = ask()

    def shown(segment: str) -> list[str]:
        sent = {"field.company": "K", "field.segment": segment}
        return browser(person("owner")).post(f"/prompts/{prompt.pk}/fields/", sent).json()["shown"]

    assert shown("smb") == ["company", "seats", "segment"]
    assert shown("enterprise") == ["company", "seats", "segment", "contract"]


def test_prompts_alike_are_grouped_and_answered_at_once():
    vip = "vip: {type: boolean, default: true}"
    execution, asked = ask(
        records=4, definition=lead().replace("segment: {enum", f"{vip}\n              segment: {{enum")
    )
    client = browser(person("owner"))
    grouped = text(client.get("/prompts/?group=1"))
    assert "4 prompts alike" in grouped
    assert "Answer 4…" in grouped
    where = {"tab": "mine", "workflow": execution.workflow.slug, "step": "review"}

    form = text(client.get("/prompts/many/", where, headers=MODAL))
    assert "Answer 4 alike" in form
    assert 'value="Kestrel 1"' not in form
    assert re.search(r'type="radio" name="field.vip" value="false"', form), "a switch could not be left as it is"
    grown = client.post("/prompts/many/", {**where, "count": "2", "action": "approve", "comment": "so"}, headers=MODAL)
    assert (grown.status_code, "4 prompts are alike by now, not 2." in text(grown)) == (409, True)
    assert 'value="approve" checked' in text(grown)
    assert ">so</textarea>" in text(grown), "what was typed stays"
    done = client.post(
        "/prompts/many/", {**where, "count": "4", "action": "approve", "field.seats": "3"}, headers=MODAL
    )

    assert done["HX-Redirect"] == "/prompts/"
    assert "4 answered" in text(client.get("/prompts/"))
    drive(execution)
    assert [one["fields"] for one in outputs(execution, "review")] == [
        {"company": f"Kestrel {number}", "seats": 3, "vip": True} for number in range(1, 5)
    ]
    assert not HumanPrompt.objects.filter(pk__in=[one.pk for one in asked], status="open").exists()


def test_what_is_wrong_with_an_answer_for_many_is_said_where_it_is_wrong():
    execution, _ = ask(records=2)
    client = browser(person("owner"))
    where = {"tab": "mine", "workflow": execution.workflow.slug, "step": "review", "count": "2"}

    undecided = client.post("/prompts/many/", {**where, "comment": "hm"}, headers=MODAL)
    wrong = client.post("/prompts/many/", {**where, "action": "approve", "field.seats": "0"}, headers=MODAL)

    assert (undecided.status_code, wrong.status_code) == (422, 422)
    assert re.search(r'name="action" value="approve" aria-invalid="true"', text(undecided))
    assert "A decision is missing." in text(undecided)
    assert ">hm</textarea>" in text(undecided)
    assert re.search(r'id="f-seats"[^>]*value="0"[^>]*aria-invalid="true"', text(wrong))
    for answer in (undecided, wrong):
        assert "notice bad" not in text(answer), "nothing is said twice"


def test_a_link_shows_by_get_answers_by_post_once_and_signs_nobody_in():
    priya = person("priya")
    _, (prompt,) = ask("assignees: priya")
    client, path = Client(), path_of(link_for(prompt, priya))

    shown, refused = client.get(path), client.post(path, {"action": "approve", "field.seats": "0"})

    assert (shown.status_code, "You answer as priya." in text(shown)) == (200, True)
    assert (refused.status_code, "An answer is needed here." in text(refused)) == (422, True)
    assert HumanPrompt.objects.get().status == "open"
    assert "_auth_user_id" not in client.session
    assert client.get(f"/prompts/{prompt.pk}/").status_code == 302


def test_a_link_that_was_used_or_is_wrong_says_so():
    priya = person("priya")
    execution, (prompt,) = ask("assignees: priya")
    path = path_of(link_for(prompt, priya))

    answered = Client().post(path, GOOD)
    again, wrong = Client().post(path, GOOD), Client().get(path[:-4] + "abc/")

    assert "your answer is taken" in text(answered)
    assert (again.status_code, "first at" in text(again)) == (409, True)
    assert (wrong.status_code, "This link no longer works" in text(wrong)) == (410, True)
    drive(execution)
    assert outputs(execution, "review")[0]["by"] == "priya"


def test_the_page_of_a_run_says_how_many_wait_and_opens_the_first():
    execution, asked = ask(records=3)
    client = browser(person("owner"))

    assert f"/executions/{execution.number}/prompts/" in text(client.get(f"/executions/{execution.number}/"))
    part = text(client.get(f"/executions/{execution.number}/prompts/", headers={"HX-Request": "true"}))

    assert "3 records wait for a person." in part
    assert f'hx-get="/prompts/{asked[0].pk}/"' in part


def test_the_live_answer_brings_rows_up_to_date_and_names_new_ones():
    execution, (first, second, third) = ask(records=3)
    prompts.answer(first, user=person("owner"), action="approve", data={"company": "K"})

    rows = f"/prompts/live/?rows={first.pk},{second.pk}"
    live = text(browser(person("owner")).get(rows, headers={"HX-Request": "true"}))

    state = f'data-state="answered" data-step="{execution.workflow_id} review" class="is-done"'
    assert f'<li id="prompt-{first.pk}" {state}>' in live
    assert f'<li id="prompt-{third.pk}"' in live
    assert 'id="prompt-n-mine">2' in live
