"""What the pages say: counts, causes, stories, empty states, and what they keep to themselves."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from director import json_view
from director.templatetags.ui import prose, short
from executions.models import Execution
from records.models import WorkflowRecord
from tests.factories import keep_counts, make_execution, make_frame, make_record, make_user
from tests.pages.conftest import World, client_of, make_invoice, walk
from workflows.services import import_workflow

MINIMAL = "director: 1\nname: Minimal\nsteps: [{alias: a, type: set, config: {value: 1}}]"


def text(response: object) -> str:
    """What a reader sees of the page, in one line."""
    html = re.sub(r"<(script|style|template|svg)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").split())


def test_home_says_what_needs_a_person(world: World):
    page = text(world.owner.get("/"))

    assert "Olivia" in page
    assert "1 failed record needs you." in page
    assert "1 execution is running." in page
    assert "Invoice of invoice_003 is over the limit" in page
    assert "Retry 1" in page


def test_home_without_a_workflow_says_how_to_begin(db: None):
    page = text(client_of(make_user()).get("/"))

    assert "No workflows yet" in page
    assert "No failed records. Nothing is running." in page


def test_the_monitor_counts_records_and_steps(world: World):
    page = text(world.owner.get(f"/executions/{world.execution.number}/"))

    assert "3 of 3 started 1 complete 1 waiting 1 failed" in page
    assert "One failed at refuse : Invoice of invoice_003 is over the limit" in page
    assert "For each invoice each_invoice" in page
    assert "client acme" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"invoice_001", "invoice_002", "invoice_003"}),
        ("?status=failed", {"invoice_003"}),
        ("?status=processing", set()),
        ("?step=book&status=complete", {"invoice_001", "invoice_002"}),
        ("?step=refuse&status=failed", {"invoice_003"}),
        ("?step=each_invoice&status=waiting", {"invoice_002"}),
        ("?q=invoice_00", {"invoice_001", "invoice_002", "invoice_003"}),
        ("?q=invoice_001&status=complete", {"invoice_001"}),
        ("?q=nothing", set()),
    ],
)
def test_the_filters_of_the_address_narrow_the_records_of_a_run(world: World, query: str, shown: set[str]):
    url = f"/executions/{world.execution.number}/{query}"

    fragment = world.owner.get(url, headers={"HX-Request": "true", "HX-Target": "exec-records"}).content.decode()

    rows = fragment.split('id="exec-filter"')[0]
    assert set(re.findall(r"invoice_\d{3}", rows)) == shown
    assert "<html" not in fragment
    if not shown:
        assert "No record matches" in rows


def test_the_records_of_a_run_are_paged_there_and_back(world: World):
    for number in range(100, 160):
        record = make_invoice(world.workflow, number, status="complete")
        make_frame(world.execution, record, alias="each_invoice")
    keep_counts(world.execution)
    url = f"/executions/{world.execution.number}/"

    first = world.owner.get(url).content.decode()
    second = world.owner.get(url + next_of(first)).content.decode()
    third = world.owner.get(url + next_of(second)).content.decode()
    back = world.owner.get(url + next_of(third, "prev")).content.decode()

    pages = [rows_of(page) for page in (first, second, third)]
    assert [len(page) for page in pages] == [25, 25, 13]
    assert len(set().union(*pages)) == 63
    assert rows_of(back) == pages[1]
    assert "51 to 63 of 63" in text_of(third)
    assert 'rel="next"' not in third


def next_of(html: str, rel: str = "next") -> str:
    return re.search(rf'href="(\?[^"]*)"[^>]*rel="{rel}"', html)[1].replace("&amp;", "&")


def rows_of(html: str) -> list[str]:
    return re.findall(r'<tr id="(?:rec|record)-([^"]+)"', html)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("query", ["", "?status=complete", "?type=invoice", "?pattern=invoice_1*"])
def test_the_list_of_records_is_paged_there_and_back(world: World, query: str):
    for number in range(100, 220):
        make_invoice(world.workflow, number, status="complete")
    url = f"/records/{query}"

    pages = [world.owner.get(url).content.decode()]
    while 'rel="next"' in pages[-1]:
        pages.append(world.owner.get("/records/" + next_of(pages[-1])).content.decode())
    back = world.owner.get("/records/" + next_of(pages[-1], "prev")).content.decode()

    expected = {"": 123, "?status=complete": 121, "?type=invoice": 123, "?pattern=invoice_1*": 100}[query]
    shown = [row for page in pages for row in rows_of(page)]
    assert len(shown) == len(set(shown)) == expected
    assert rows_of(back) == rows_of(pages[-2])


def test_a_cause_is_shown_once_and_narrows_the_list(world: World):
    for number in (50, 51):
        make_invoice(
            world.workflow, number, status="failed", error_message=f"Invoice of invoice_{number:03} is over the limit"
        )
    make_invoice(world.workflow, 52, status="failed", error_message="no such supplier")

    page = world.owner.get("/records/?status=failed").content.decode()
    cause = re.search(r'href="\?[^"]*(cause=\w+)"[^>]*><span class="trunc">Invoice of', page)[1]
    narrowed = world.owner.get(f"/records/?status=failed&{cause}").content.decode()

    assert len(rows_of(page)) == 4
    assert len(rows_of(narrowed)) == 3


def test_the_record_tells_its_story_newest_first(world: World):
    page = text(world.owner.get(f"/records/{world.failed.pk}/"))

    story = page[page.index("Story") :]
    order = ["Marked failed", "Refuse refuse", "Large large", "Supplier supplier", "Entered the loop", "Discovered"]
    places = [story.index(words) for words in order]
    assert places == sorted(places)
    assert "Failed at refuse" in page
    assert "Invoice of invoice_003 is over the limit" in story
    assert "Mend the cause, then retry" in story
    assert "if current.amount > 5000" in story.replace("&gt;", ">")
    assert "Retry refuse" in page


def test_a_time_within_a_sentence_says_that_it_is_past(world: World):
    WorkflowRecord.objects.filter(pk=world.failed.pk).update(created_at=timezone.now() - timedelta(minutes=16))

    assert "as it was found 16 min ago" in text(world.owner.get(f"/records/{world.failed.pk}/"))


def test_the_story_can_be_narrowed(world: World):
    errors = text(world.owner.get(f"/records/{world.failed.pk}/?story=errors"))
    data = text(world.owner.get(f"/records/{world.complete.pk}/?story=data"))

    assert "Refuse refuse" in errors
    assert "Supplier supplier" not in errors.split("Fields")[0]
    assert "Book book" in data
    assert "into targets.ledger" in data
    assert "Large large" not in data.split("Fields")[0]


def test_a_value_says_which_step_set_it(world: World):
    page = world.owner.get(f"/records/{world.complete.pk}/").content.decode()

    assert re.search(r'title="vars.supplier">supplier</span>.*?<span class="alias">supplier</span>', page, re.DOTALL)


def test_a_record_that_no_run_has_met_says_so(world: World):
    fresh = make_invoice(world.workflow, 9)

    page = text(world.owner.get(f"/records/{fresh.pk}/"))

    assert "not walked by any run yet" in page
    assert "Retry" not in page.split("Story")[0].split("Sign out")[-1]


@pytest.mark.parametrize(
    "url",
    [
        "/records/{w.failed.pk}/",
        "/records/{w.failed.pk}/?tab=raw",
        "/records/{w.failed.pk}/raw.json",
        "/executions/{w.execution.number}/steps/{step}/",
        "/executions/{w.execution.number}/steps/{step}/input.json",
    ],
)
def test_secrets_are_masked_wherever_they_are_shown(world: World, url: str):
    step = world.execution.steps.get(alias="supplier", record=world.failed)

    page = world.owner.get(url.format(w=world, step=step.pk)).content.decode()

    assert "s3cret" not in page
    assert "••••" in page


def test_the_branch_that_was_taken_is_shown(world: World):
    step = world.execution.steps.get(alias="large", record=world.failed)

    page = text(world.owner.get(f"/executions/{world.execution.number}/steps/{step.pk}/"))

    assert "••••" not in page


def test_a_step_shows_its_attempts(world: World):
    frame = world.failed_step.frame
    second = world.failed_step
    world.execution.steps.create(
        frame=frame,
        record=world.failed,
        alias="refuse",
        attempt=2,
        status="failed",
        error={"code": "step_timed_out", "message": "Step refuse did not finish within its time-out of 5 s."},
        started_at=timezone.now(),
        duration_ms=5000,
    )
    url = f"/executions/{world.execution.number}/steps/{second.pk}/"

    first, later = text(world.owner.get(url)), text(world.owner.get(url + "?attempt=2"))

    assert "Attempt 1 of 2" in first
    assert "is over the limit" in first
    assert "Attempt 2 of 2" in later
    assert "Give the step more time" in later


def test_a_long_value_is_cut_and_escaped():
    html = json_view.render({"<b>": "x" * 50_000}, "Input")

    assert "&lt;b&gt;" in html
    assert "more characters" in html
    assert len(html) < 40_000


def test_a_finished_run_without_records_says_why(world: World):
    execution = make_execution(world.workflow, status="completed")

    page = text(world.owner.get(f"/executions/{execution.number}/"))

    assert "No records in this run" in page
    assert "Run again" in page
    assert "Pause" not in page.split("Keyboard")[0]


def test_what_failed_at_the_top_level_is_said(world: World):
    error = {"code": "step_failed", "message": "no such mailbox", "step": "inbox"}
    execution = make_execution(world.workflow, status="failed", error=error)

    page = text(world.owner.get(f"/executions/{execution.number}/"))

    assert "The run ended at inbox . no such mailbox" in page


def test_a_paused_run_offers_to_resume_and_counts_what_is_held_back(world: World):
    world.execution.status, world.execution.control = "paused", "pause"
    world.execution.save()
    make_frame(world.execution, make_invoice(world.workflow, 7), alias="each_invoice", status="ready")
    keep_counts(world.execution)

    page = text(world.owner.get(f"/executions/{world.execution.number}/"))

    assert "Resume" in page
    assert "1 paused" in page


def test_the_workflow_is_drawn_with_the_last_run(world: World):
    page = text(world.owner.get(f"/workflows/{world.workflow.slug}/?step=large"))
    bare = text(world.owner.get(f"/workflows/{world.workflow.slug}/?overlay=off"))

    assert "Published v1" in page
    assert "Otherwise" in page
    assert "current.amount > 5000" in page.replace("&gt;", ">")
    assert f"#{world.execution.number}" in page
    assert "failed 1" in page
    assert "failed 1" not in bare


def test_a_workflow_that_was_never_published_cannot_be_run(db: None):
    owner = make_user()
    workflow = import_workflow(MINIMAL, owner=owner).workflow
    workflow.versions.update(status="draft", number=None, published_at=None)

    page = client_of(owner).get(f"/workflows/{workflow.slug}/").content.decode()
    listed = text(client_of(owner).get("/workflows/?show=draft"))

    assert 'title="Never published"' in page
    assert "Minimal" in listed


def test_lists_say_what_hides_everything(world: World):
    assert "No workflow matches" in text(world.owner.get("/workflows/?q=nothing"))
    assert "No execution matches" in text(world.owner.get("/executions/?status=cancelled"))
    assert "No record matches" in text(world.owner.get("/records/?q=nothing"))
    assert "No records yet" in text(client_of(make_user()).get("/records/"))
    assert "No executions yet" in text(client_of(make_user()).get("/executions/"))


def test_executions_are_found_by_their_labels(world: World):
    other = make_execution(world.workflow)

    named = text(world.owner.get("/executions/?label=client%3Dacme"))
    any_client = text(world.owner.get("/executions/?label=client"))

    assert f"#{other.number}" not in named
    assert f"#{world.execution.number}" in named
    assert f"#{world.execution.number}" in any_client


def test_the_palette_finds_workflows_executions_and_records(world: World):
    by_name = text(world.owner.get("/jump/?q=invoice"))
    by_number = text(world.owner.get(f"/jump/?q=%23{world.execution.number}"))

    assert "Supplier invoices" in by_name
    assert "invoice_001" in by_name
    assert f"#{world.execution.number}" in by_number
    assert "Nothing is called “zzz”" in text(world.owner.get("/jump/?q=zzz"))


def test_times_are_those_of_the_reader(world: World):
    WorkflowRecord.objects.filter(pk=world.complete.pk).update(updated_at="2020-01-02T23:30:00Z")

    world.owner.cookies["tz"] = "Asia%2FTokyo"
    there = text(world.owner.get(f"/records/{world.complete.pk}/"))
    world.owner.cookies["tz"] = "No/Such_Zone"
    unknown = text(world.owner.get(f"/records/{world.complete.pk}/"))

    assert "3 Jan 2020, 08:30" in there
    assert "2 Jan 2020, 23:30" in unknown


def test_running_a_workflow_leads_to_its_execution(world: World):
    answer = world.mate.post(f"/workflows/{world.workflow.slug}/run/", follow=True)

    execution = Execution.objects.order_by("-number").first()
    assert answer.redirect_chain == [(f"/executions/{execution.number}/", 302)]
    assert execution.started_by.username == "tom"
    assert f"#{execution.number} of Supplier invoices is started" in text(answer)


def test_a_refused_action_is_said_on_the_page_it_came_from(world: World):
    finished = make_execution(world.workflow, status="completed")
    page = f"/executions/{finished.number}/"

    answer = world.owner.post(f"{page}retry/", headers={"referer": f"http://testserver{page}"}, follow=True)
    elsewhere = world.owner.post(f"{page}retry/", headers={"referer": "https://evil.example/"})

    assert answer.redirect_chain == [(f"http://testserver{page}", 302)]
    assert f"Execution #{finished.number} has no failed record" in text(answer)
    assert elsewhere.url == "/"


def test_a_run_that_failed_or_was_cancelled_before_any_record_says_so(world: World):
    for status, said in (
        ("failed", "It failed before it took up any record."),
        ("cancelled", "It was cancelled before"),
    ):
        execution = make_execution(world.workflow, status=status)

        page = text(world.owner.get(f"/executions/{execution.number}/"))

        assert said in page
        assert "met no record" not in page
        assert "not yet" not in page
        assert "nothing was to be walked" not in page


def test_a_bad_document_comes_back_with_its_problems_and_a_good_one_leads_to_its_workflow(world: World):
    bad = world.owner.post("/workflows/import/", {"text": "director: 1\nname: X\nsteps: [{alias: a, type: sett}]"})
    good = world.owner.post("/workflows/import/", {"text": MINIMAL})

    assert bad.status_code == 422
    assert "sett" in text(bad)
    assert good.status_code == 302
    assert "is published as v1" in text(world.owner.get(good.url))


def test_walks_of_deleted_records_do_not_break_the_table(world: World):
    record = make_record(world.workflow, record_id="invoice_555", record_type="invoice")
    walk(world.execution, record, ends="complete")
    record.delete()

    page = text(world.owner.get(f"/executions/{world.execution.number}/"))

    assert "Record was deleted" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`current.x` is not known", "<code>current.x</code> is not known"),
        ("5` wide <b>", "5` wide &lt;b&gt;"),
        ("`<i>`", "<code>&lt;i&gt;</code>"),
    ],
)
def test_what_stands_between_backticks_in_an_error_is_shown_as_code(text, shown):
    assert prose(text) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(999, "999"), (1_005, "1k"), (1_999, "1.9k"), (12_900, "12k"), (3_200_000, "3.2M")]
)
def test_a_large_count_is_short_and_never_more_than_it_is(count, shown):
    assert short(count) == shown


@pytest.mark.django_db
def test_who_has_no_workflow_is_told_so_before_importing_records():
    page = text(client_of(make_user()).get("/records/import/"))

    assert "No workflow to import into" in page
    assert "Upload and look" not in page
