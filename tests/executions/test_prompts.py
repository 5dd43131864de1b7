"""Prompts from question to answer: who may, what fits, exactly once, and what happens when nobody does."""

import threading
from datetime import timedelta
from pathlib import Path
from textwrap import indent

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from director.errors import DirectorError
from executions import control
from executions.markdown import to_html
from executions.models import ExecutionStep, HumanPrompt, PromptAnswer
from executions.outcomes import finish_step
from executions.prompts import due as prompt_due
from executions.prompts import form as prompt_form
from executions.prompts import services as prompts
from executions.prompts.errors import (
    AnswerInvalid,
    PromptAnswered,
    PromptClosed,
    PromptLinkExpired,
    PromptNotFound,
    PromptNotYours,
)
from executions.prompts.links import link_for, open_link
from executions.retry import retry_failed
from executions.views.prompt_dialog import dialog_context
from tests.executions.prompting import ask, lead, person
from tests.executions.running import drive, email, journal, outputs, publish, start, statuses, wake_all
from workflows.definition import parse, validate
from workflows.definition.rows import document_of

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {"company": "Kestrel", "seats": 12}


def owner():
    return person("owner")


def let_time_run_out(execution) -> None:
    HumanPrompt.objects.filter(execution=execution).update(due_at=timezone.now() - timedelta(seconds=1))


# --- asking -----------------------------------------------------------------------------------------------------------


def test_a_prompt_is_written_with_its_frame_and_holds_nothing():
    execution, (prompt,) = ask("timeout: 2h")

    assert execution.status == "waiting"
    assert (prompt.status, prompt.title, prompt.alias, prompt.quorum) == ("open", "Check the lead", "review", 1)
    assert prompt.schema["properties"]["company"]["default"] == "Kestrel 1"
    assert [action["block"] for action in prompt.actions] == ["0", "1"]
    assert timedelta(minutes=119) < prompt.due_at - timezone.now() < timedelta(minutes=121)
    frame = execution.frames.get(alias="each")
    assert (frame.status, frame.waiting_for, frame.slice_id) == ("waiting", "prompt", None)
    assert ("review", 1, "running") in journal(execution)


def test_an_answer_is_the_steps_output_takes_its_branch_and_is_stored():
    execution, (prompt,) = ask()

    taken = prompts.answer(prompt, user=owner(), action="reject", data=GOOD, comment="Not for us")

    assert taken.decided
    drive(execution)
    (output,) = outputs(execution, "review")
    assert {name: output[name] for name in ("action", "fields", "by", "comment", "timed_out", "key")} == {
        "action": "reject",
        "fields": GOOD,
        "by": "owner",
        "comment": "Not for us",
        "timed_out": False,
        "key": "1",
    }
    assert (outputs(execution, "lost"), outputs(execution, "won"), outputs(execution, "after")) == (
        ["Not for us"],
        [],
        ["reject"],
    )
    assert execution.workflow.records.get().data["vars"]["review"]["action"] == "reject"
    assert execution.status == "completed"
    prompt.refresh_from_db()
    assert (prompt.status, prompt.answered_by.username, prompt.answer["action"]) == ("answered", "owner", "reject")


def test_an_answer_costs_the_same_number_of_queries_however_many_prompts_are_open():
    _, (first, *_others) = ask(records=30)
    user = owner()

    with CaptureQueriesContext(connection) as queries:
        prompts.answer(first, user=user, action="approve", data=GOOD)

    statements = [one["sql"] for one in queries if one["sql"] not in ("BEGIN", "COMMIT")]
    assert len(statements) <= 16, statements


def test_a_workflow_without_branches_goes_on_and_its_document_is_the_same_again():
    definition = """
director: 1
name: Ask once
steps:
  - alias: go
    type: human_prompt
    config: {title: Go on?, actions: [{key: go, label: Go}]}
  - {alias: after, type: set, config: {value: "{{ go.action }} by {{ go.by }}"}}
"""
    execution, (prompt,) = ask(definition=definition)

    prompts.answer(prompt, user=owner(), action="go")

    assert drive(execution).status == "completed"
    assert outputs(execution, "after") == ["go by owner"]
    assert "branches" not in document_of(parse(definition))["steps"][0]


def test_who_is_asked_may_be_an_expression_and_an_unknown_name_is_said_with_the_nearest():
    person("priya", "Sales")
    definition = lead('assignees: "{{ current.asks }}"')
    workflow = publish(definition)
    email(workflow, 1, company="A", asks="priya")
    email(workflow, 2, company="B", asks=["Sales", "priya@example.com"])
    email(workflow, 3, company="C", asks="pria")

    execution = drive(start(workflow))

    one, two = HumanPrompt.objects.filter(execution=execution).order_by("frame_id")
    assert (one.users, one.groups) == ([person("priya").pk], [])
    assert (two.users, two.groups) == ([person("priya").pk], [Group.objects.get(name="Sales").pk])
    assert 'Did you mean "priya"?' in workflow.records.get(record_id="email_003").error_message


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        ("on_timeout: {branch: rejekt}", "on_timeout.branch", "no action"),
        ("on_timeout: {default: {seats: 0}}", "on_timeout.default", "/seats"),
        ("on_timeout: {}", "on_timeout", "needs either"),
        ("quorum: all", "quorum", "needs `assignees`"),
        ("reminders: [2h]", "reminders[0]", "not before the time-out"),
        ("actions: [{key: approve}, {key: approve}]", "actions", "more than once"),
        ("actions: [{key: approve}]", "branches[1]", "no action of this step"),
        ("timeout: soon", "timeout", "not a duration"),
        ("asignees: priya", "asignees", "not known"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_runs(options: str, where: str, what: str):
    definition = lead(options).replace('default: "{{ current.company }}"', "default: Kestrel")

    found = [problem for problem in validate(parse(definition)) if problem.path.endswith(where)]

    assert found, validate(parse(definition))
    assert any(what in problem.message for problem in found), found


def test_the_example_of_the_documentation_can_be_published():
    text = Path(settings.BASE_DIR, "docs/prompts.md").read_text()
    example = text.partition("```yaml\n")[2].partition("```")[0]
    head = lead().partition("      - alias: review")[0]
    body = "- {alias: extract, type: set, config: {value: {amount: 1, confidence: 0.5}}}\n" + example

    assert validate(parse(head + indent(body, " " * 6))) == []


# --- answering --------------------------------------------------------------------------------------------------------


def test_an_answer_that_does_not_fit_says_so_at_each_field_and_changes_nothing():
    execution, (prompt,) = ask()

    with pytest.raises(AnswerInvalid) as refused:
        prompts.answer(prompt, user=owner(), action="aprove", data={"seats": 0, "segment": "enterprise", "compny": "K"})

    said = {problem["pointer"]: problem["detail"] for problem in refused.value.problems}
    assert said.keys() == {"/action", "/data/company", "/data/seats", "/data/contract", "/data/compny"}
    assert 'Did you mean "company"?' in said["/data/compny"]
    assert 'Did you mean "approve"?' in said["/action"]
    assert said["/data/seats"] == "Must be at least 1."
    assert not PromptAnswer.objects.exists()
    prompts.answer(
        prompt, user=owner(), action="approve", data={"company": "K", "segment": "enterprise", "contract": "C-1"}
    )
    assert drive(execution).status == "completed"


def test_a_field_whose_condition_does_not_hold_is_not_taken():
    _, (prompt,) = ask()

    with pytest.raises(AnswerInvalid) as refused:
        prompts.answer(
            prompt, user=owner(), action="approve", data={"company": "K", "segment": "smb", "contract": "C-1"}
        )

    assert [problem["pointer"] for problem in refused.value.problems] == ["/data/contract"]


def test_the_second_answer_hears_who_was_first_and_when():
    priya, _ = person("priya", first_name="Priya", last_name="Nair"), person("jonas")
    _, (prompt,) = ask("assignees: [priya, jonas]")
    prompts.answer(prompt, user=priya, action="approve", data=GOOD)

    with pytest.raises(PromptAnswered) as refused:
        prompts.answer(prompt, user=person("jonas"), action="reject", data=GOOD)

    prompt.refresh_from_db()
    assert "Priya Nair answered 'Check the lead' first at" in refused.value.message
    assert refused.value.data == {"by": "Priya Nair", "at": prompt.answered_at.isoformat(), "action": "Approve"}


def _at_once(*acts) -> list[object]:
    """Do the acts in threads with connections of their own, begun together; return what each gave or raised."""
    begin, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int, act) -> None:
        begin.wait()
        try:
            results[place] = act()
        except DirectorError as error:
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_people_who_answer_at_the_same_instant_one_decides():
    users = [person("priya"), person("jonas")]
    execution, asked = ask("assignees: [priya, jonas]", records=8)

    for prompt in asked:
        results = _at_once(
            lambda prompt=prompt: prompts.answer(prompt, user=users[0], action="approve", data=GOOD),
            lambda prompt=prompt: prompts.answer(prompt, user=users[1], action="reject", data=GOOD),
        )
        assert sorted(type(one).__name__ for one in results) == ["Answered", "PromptAnswered"]

    assert drive(execution).status == "completed"
    assert PromptAnswer.objects.count() == 8
    assert len(outputs(execution, "won")) + len(outputs(execution, "lost")) == 8
    for prompt, output in zip(HumanPrompt.objects.order_by("frame_id"), outputs(execution, "review"), strict=True):
        assert output["action"] == prompt.answers.get().action == prompt.answer["action"]


def test_of_an_answer_and_the_time_out_at_the_same_instant_one_decides():
    user = owner()
    execution, asked = ask("on_timeout: {branch: reject}", records=8)
    let_time_run_out(execution)

    results = _at_once(
        prompt_due.expire_due,
        *(lambda one=one: prompts.answer(one, user=user, action="approve", data=GOOD) for one in asked),
    )
    prompt_due.expire_due()

    answered = sum(isinstance(one, prompts.Answered) for one in results[1:])
    assert all(isinstance(one, prompts.Answered | PromptClosed) for one in results[1:])
    assert drive(execution).status == "completed"
    assert (len(outputs(execution, "won")), len(outputs(execution, "lost"))) == (answered, 8 - answered)
    assert HumanPrompt.objects.filter(status="answered").count() == answered == PromptAnswer.objects.count()


def test_of_an_answer_and_a_cancel_at_the_same_instant_nothing_is_left_open():
    user = owner()
    execution, asked = ask(records=6)

    _at_once(
        lambda: control.cancel(execution),
        *(lambda one=one: prompts.answer(one, user=user, action="approve", data=GOOD) for one in asked),
    )

    drive(execution)
    assert execution.status == "cancelled"
    assert not HumanPrompt.objects.filter(status="open").exists()


def test_an_answer_that_was_committed_is_not_lost_when_everything_dies_before_the_record_goes_on():
    execution, (prompt,) = ask()
    prompts.answer(prompt, user=owner(), action="approve", data=GOOD)

    # No slice has run since: what a process that was killed between the two leaves behind.
    assert execution.frames.get(alias="each").status == "ready"
    assert drive(execution).status == "completed"
    assert outputs(execution, "won") == ["Kestrel"]


def test_only_those_who_are_asked_may_answer_and_strangers_see_nothing():
    priya, _, jonas, stranger = person("priya"), person("mo", "Finance"), person("jonas"), person("stranger")
    _, (prompt,) = ask("assignees: {users: priya, groups: [Finance]}")

    with pytest.raises(PromptNotFound):
        prompts.get_prompt_for(stranger, prompt.pk)
    with pytest.raises(PromptNotYours, match="others are asked"):
        prompts.answer(prompts.get_prompt_for(owner(), prompt.pk), user=owner(), action="approve", data=GOOD)
    with pytest.raises(PromptNotYours):
        prompts.answer(prompt, user=jonas, action="approve", data=GOOD)
    assert [list(prompts.asked_of(user, "mine")) for user in (priya, person("mo"), stranger)] == [[prompt], [], []]
    assert list(prompts.asked_of(person("mo"), "groups")) == [prompt]
    prompts.answer(prompts.get_prompt_for(person("mo"), prompt.pk), user=person("mo"), action="approve", data=GOOD)


def test_who_started_the_run_does_not_approve_it_when_the_step_says_so():
    priya = person("priya")
    _, (prompt,) = ask("no_self_approval: true\nassignees: [owner, priya]", user=owner())

    with pytest.raises(PromptNotYours, match="must not approve"):
        prompts.answer(prompt, user=owner(), action="approve", data=GOOD)

    assert not prompts.asked_of(owner()).exists()
    prompts.answer(prompt, user=priya, action="approve", data=GOOD)


@pytest.mark.parametrize(
    ("quorum", "given", "decided"),
    [
        (2, ["approve", "approve"], "approve"),
        (2, ["approve", "reject"], None),
        (2, ["approve", "reject", "approve"], "approve"),
        ("all", ["approve", "approve"], None),
        ("all", ["approve", "approve", "approve"], "approve"),
        ("all", ["approve", "reject"], "reject"),
        (3, ["reject", "approve"], "reject"),
    ],
)
def test_a_quorum_is_reached_by_people_who_agree_or_when_they_cannot_any_more(quorum, given, decided):
    people = [person(name, "Board") for name in ("ada", "ben", "cleo")]
    execution, (prompt,) = ask(f"assignees: Board\nquorum: {quorum}")

    taken = [
        prompts.answer(prompt, user=user, action=action, data=GOOD) for user, action in zip(people, given, strict=False)
    ]

    assert [one.decided for one in taken] == [False] * (len(given) - 1) + [decided is not None]
    prompt.refresh_from_db()
    assert (prompt.answer or {}).get("action") == decided
    if decided:
        assert [one["by"] for one in prompt.answer["answers"]] == ["ada", "ben", "cleo"][: len(given)]
        drive(execution)
        assert outputs(execution, "after") == [decided]
    else:
        with pytest.raises(PromptAnswered, match="You answered"):
            prompts.answer(prompt, user=people[0], action="approve", data=GOOD)


def test_two_who_complete_a_quorum_at_the_same_instant_complete_it_once():
    people = [person(name, "Board") for name in ("ada", "ben", "cleo", "dan")]
    execution, asked = ask("assignees: Board\nquorum: 2", records=4)

    for prompt in asked:
        results = _at_once(
            *(
                lambda user=user, prompt=prompt: prompts.answer(prompt, user=user, action="approve", data=GOOD)
                for user in people
            )
        )
        assert sum(isinstance(one, prompts.Answered) and one.decided for one in results) == 1

    assert drive(execution).status == "completed"
    assert len(outputs(execution, "review")) == 4


def test_many_alike_are_answered_at_once_each_with_what_it_proposes_and_each_for_itself():
    execution, asked = ask(records=5)
    prompts.answer(asked[0], user=owner(), action="reject", data=GOOD)
    HumanPrompt.objects.filter(pk=asked[4].pk).update(
        schema={"type": "object", "required": ["iban"], "properties": {"iban": {"type": "string"}}}
    )

    done = prompts.answer_many(
        HumanPrompt.objects.filter(execution=execution), user=owner(), action="approve", data={"seats": 3}
    )

    assert len(done.answered) == 3
    assert {type(error) for _, error in done.refused} == {PromptAnswered, AnswerInvalid}
    drive(execution)
    assert outputs(execution, "won") == ["Kestrel 2", "Kestrel 3", "Kestrel 4"]


def test_prompts_inside_nested_iterates_each_send_their_own_record_on():
    definition = """
director: 1
name: Orders
steps:
  - alias: orders
    type: iterate
    config: {over_records: email}
    body:
      - alias: lines
        type: iterate
        config: {over: "{{ current.lines }}"}
        body:
          - {alias: check, type: human_prompt, config: {title: "Line {{ item }} of {{ outer.record_id }}"}}
          - {alias: said, type: set, config: {value: "{{ item }} {{ check.action }}"}}
      - {alias: sum, type: set, config: {value: "{{ lines.processed }}"}}
"""
    workflow = publish(definition)
    email(workflow, 1, lines=["pens", "ink"])
    email(workflow, 2, lines=["paper"])
    execution = drive(start(workflow))
    titles = {prompt.title: prompt for prompt in HumanPrompt.objects.filter(execution=execution)}
    assert titles.keys() == {"Line pens of email_001", "Line ink of email_001", "Line paper of email_002"}

    prompts.answer(titles["Line paper of email_002"], user=owner(), action="approve")
    drive(execution)
    assert statuses(workflow) == {"email_001": "processing", "email_002": "complete"}
    for word, action in (("pens", "reject"), ("ink", "approve")):
        prompts.answer(titles[f"Line {word} of email_001"], user=owner(), action=action)

    assert drive(execution).status == "completed"
    assert sorted(outputs(execution, "said")) == ["ink approve", "paper approve", "pens reject"]
    assert sorted(outputs(execution, "sum")) == [1, 2]


# --- nobody answers ---------------------------------------------------------------------------------------------------


def test_without_an_answer_the_record_fails_in_time_and_a_retry_asks_again():
    execution, asked = ask(records=2)
    let_time_run_out(execution)

    assert prompt_due.expire_due() == 2

    drive(execution)
    assert "Nobody answered the prompt 'Check the lead'" in execution.workflow.records.first().error_message
    assert statuses(execution.workflow) == {"email_001": "failed", "email_002": "failed"}
    with pytest.raises(PromptClosed):
        prompts.answer(asked[0], user=owner(), action="approve", data=GOOD)
    (again,) = retry_failed(execution).executions
    drive(again)
    assert HumanPrompt.objects.filter(execution=again, status="open").count() == 2


@pytest.mark.parametrize(
    ("said", "fields", "branch"),
    [
        ("{branch: reject}", {}, "lost"),
        ("{default: {company: Default}, action: approve}", {"company": "Default"}, "won"),
    ],
)
def test_a_time_out_may_take_a_branch_or_a_default_answer(said: str, fields: dict, branch: str):
    execution, _ = ask(f"on_timeout: {said}")
    let_time_run_out(execution)

    prompt_due.expire_due()

    assert drive(execution).status == "completed"
    (output,) = outputs(execution, "review")
    assert (output["fields"], output["by"], output["timed_out"]) == (fields, None, True)
    assert len(outputs(execution, branch)) == 1
    assert HumanPrompt.objects.get().status == "timed_out"


def test_with_10_000_open_prompts_a_look_at_what_is_due_reads_none_of_them():
    ask()
    fields = [field for field in HumanPrompt._meta.concrete_fields if field.name not in ("id", "frame_id", "next_at")]
    names = ", ".join(field.column for field in fields)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE human_prompts SET next_at = NULL")
        cursor.execute(
            f"INSERT INTO human_prompts (id, frame_id, {names}) SELECT gen_random_uuid(), -n, {names} "
            "FROM human_prompts, generate_series(1, 10000) n"
        )
        cursor.execute("ANALYZE human_prompts")
        for statement in (prompt_due.FAIL_DUE, prompt_due.OTHERS_DUE, prompt_due.WITHDRAW_ORPHANS):
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement)
            nodes = str(cursor.fetchone()[0]).split("'Node Type': ")
            read = [node for node in nodes if "'Relation Name': 'human_prompts'" in node]
            assert any("'prompt_due'" in node for node in read)
            assert not any(node.startswith("'Seq Scan'") for node in read)

    with CaptureQueriesContext(connection) as queries:
        assert prompt_due.expire_due() == 0
        assert not prompt_due.is_news_due()
    assert len(queries) <= 8


def test_a_cancelled_run_withdraws_its_prompts():
    execution, (prompt,) = ask()

    control.cancel(execution)

    prompt.refresh_from_db()
    assert prompt.status == "withdrawn"
    with pytest.raises(PromptClosed, match="cancelled or decided in another way"):
        prompts.answer(prompt, user=owner(), action="approve", data=GOOD)


def test_an_iterate_that_stops_withdraws_the_prompts_of_its_other_records():
    workflow = publish("""
director: 1
name: Stop
steps:
  - alias: each
    type: iterate
    config: {over_records: email, on_error: mark_failed_stop}
    body:
      - {alias: rest, type: delay, when: "{{ current.breaks }}", config: {duration: 1h}}
      - {alias: broken, type: fail, when: "{{ current.breaks }}", config: {message: Broken}}
      - {alias: ok, type: human_prompt, config: {title: Ok?}}
""")
    email(workflow, 1, breaks=False)
    email(workflow, 2, breaks=True)
    execution = drive(start(workflow))
    assert HumanPrompt.objects.get().status == "open"
    wake_all(execution)

    drive(execution)

    assert HumanPrompt.objects.get().status == "withdrawn"
    assert statuses(workflow) == {"email_001": "discovered", "email_002": "failed"}


def test_a_step_that_is_decided_in_another_way_withdraws_its_prompt():
    execution, (prompt,) = ask()

    with transaction.atomic():
        assert finish_step(
            execution, prompt.frame_id, "review", 1, {"action": "approve", "fields": GOOD, "comment": "", "key": "0"}
        )

    prompt.refresh_from_db()
    assert prompt.status == "withdrawn"
    assert drive(execution).status == "completed"


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_link_is_for_one_person_and_one_prompt_and_ends(settings, monkeypatch):
    priya = person("priya")
    _, (prompt,) = ask("assignees: priya")
    token = link_for(prompt, priya).rstrip("/").rpartition("/")[2]

    assert open_link(token) == (prompt, priya)
    with pytest.raises(PromptLinkExpired):
        open_link(token[:-3] + "abc")
    monkeypatch.setattr("executions.prompts.links.MAX_AGE_SECONDS", -1)
    with pytest.raises(PromptLinkExpired):
        open_link(token)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_secrets_in_the_context_are_masked_and_markdown_is_made_safe():
    context = (
        "context: [{label: api_key, value: hush-hush}, {label: Mail, value: {password: hush-hush, from: Sara}}, "
        '{label: Site, url: "javascript:alert(1)"}]'
    )
    _, (prompt,) = ask(context)

    shown = dialog_context(prompt, owner())["shown"]

    assert "hush-hush" not in repr(shown)
    assert [one.kind for one in shown] == ["short", "json", "short"]
    html = to_html(
        "**Hi** <script>alert(1)</script> [x](javascript:alert(1)) ![t](https://e.example/t.png) [ok](https://e.example)"
    )
    assert "<strong>Hi</strong>" in html
    assert 'href="https://e.example"' in html
    for bad in ("<script", 'javascript:alert(1)"', "<img"):
        assert bad not in html


def test_a_form_comes_from_the_schema():
    schema = {
        "type": "object",
        "required": ["company"],
        "properties": {
            "company": {
                "type": "string",
                "title": "Company",
                "description": "As in the register",
                "default": "Kestrel",
                "x-confidence": 0.52,
            },
            "seats": {"type": "integer", "minimum": 1, "maximum": 9},
            "segment": {"enum": ["smb", "mid", "big"]},
            "country": {"enum": ["ES", "DE", "FR", "IT", "PT"]},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            "vip": {"type": "boolean"},
            "since": {"type": "string", "format": "date"},
            "note": {"type": "string", "format": "textarea"},
            "paper": {"format": "file"},
        },
    }

    fields = {field.name: field for field in prompt_form.form(schema)}

    assert {name: field.kind for name, field in fields.items()} == {
        "company": "text", "seats": "number", "segment": "choice", "country": "select", "tags": "many",
        "vip": "switch", "since": "date", "note": "textarea", "paper": "file",
    }  # fmt: skip
    company = fields["company"]
    assert (company.label, company.hint, company.required, company.text) == (
        "Company",
        "As in the register",
        True,
        "Kestrel",
    )
    assert (company.confidence, company.is_doubtful) == (0.52, True)
    assert fields["seats"].attributes == {"min": 1, "max": 9, "step": 1}


def test_a_prompt_in_the_top_level_waits_and_ends_the_run_when_answered():
    execution, (prompt,) = ask(
        definition="director: 1\nname: Top\nsteps:\n  - {alias: ok, type: human_prompt, config: {title: Ok?}}"
    )
    assert prompt.record is None

    let_time_run_out(execution)
    prompt_due.expire_due()

    assert drive(execution).status == "failed"
    assert ExecutionStep.objects.get(alias="ok").status == "failed"
