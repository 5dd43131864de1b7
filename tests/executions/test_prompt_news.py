"""Telling people of prompts: mails that are not lost, reminders, escalation, and news to open pages."""

import pytest
from django.core import mail
from django.utils import timezone

from executions import control
from executions.models import HumanPrompt, PromptMail
from executions.prompts import due as prompt_due
from executions.prompts import mails as prompt_mails
from executions.prompts import services as prompts
from tests.executions.prompting import ask, person
from tests.executions.running import drive

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {"company": "Kestrel", "seats": 12}
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def told() -> list[tuple[str, str]]:
    """Do what the task does, and return what the mailboxes have by then: to whom, and what about."""
    prompt_due.remind_due()
    prompt_mails.send_due()
    return [(one.to[0], one.subject) for one in mail.outbox]


def test_people_are_told_once_reminded_and_then_others_are_asked():
    priya, boss = person("priya", "Sales"), person("boss")
    _, (prompt,) = ask("assignees: Sales\ntimeout: 3h\nreminders: [1h]\nescalation: [{after: 2h, users: boss}]")

    told()
    assert told() == [("priya@example.com", "Check the lead")]
    for _ in range(2):
        HumanPrompt.objects.update(ladder=_sooner(HumanPrompt.objects.get().ladder), next_at=timezone.now())
        mails = told()

    prompt.refresh_from_db()
    assert mails[1] == ("priya@example.com", "Reminder: Check the lead")
    assert {to for to, _ in mails[2:]} == {"priya@example.com", "boss@example.com"}
    assert (prompt.users, prompt.ladder, prompt.next_at) == ([boss.pk], [], None)
    assert list(prompts.asked_of(boss, "mine")) == [prompt]
    prompts.answer(prompt, user=boss, action="approve", data=GOOD)
    assert priya.pk not in prompt.users


def _sooner(ladder: list[dict]) -> list[dict]:
    first, *others = ladder
    return [{**first, "at": "2020-01-01T00:00:00+00:00"}, *others]


def test_many_prompts_of_one_person_come_in_one_mail():
    person("priya")
    ask("assignees: priya", records=30)

    told()

    (one,) = mail.outbox
    assert one.subject == "30 prompts wait for you"
    assert one.body.count("/prompts/answer/") == 20
    assert "and 10 more in your inbox" in one.body


def test_a_mail_is_not_lost_when_its_worker_dies_and_comes_twice_at_most_under_one_id(monkeypatch):
    person("priya")
    ask("assignees: priya")
    prompt_due.remind_due()

    monkeypatch.setattr(prompt_mails, "_write_down", _die)
    with pytest.raises(KeyboardInterrupt):  # handed over, not written down
        prompt_mails.send_due()
    monkeypatch.undo()
    assert prompt_mails.send_due() == 0  # another worker leaves it alone while the first may be at it
    PromptMail.objects.update(next_at=timezone.now())  # the lease is over
    assert prompt_mails.send_due() == 1

    first, second = mail.outbox
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    assert prompt_mails.is_due() is False


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_mail_server_that_is_away_delays_the_mail_and_an_answer_meanwhile_ends_it(settings):
    person("priya")
    _, (first, second) = ask("assignees: priya", records=2)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1

    assert told() == []

    waiting = PromptMail.objects.get()
    assert (waiting.tries, waiting.sent_at, "ConnectionRefusedError" in waiting.error) == (1, None, True)
    assert waiting.next_at > timezone.now()
    prompts.answer(first, user=person("priya"), action="approve", data=GOOD)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    PromptMail.objects.update(next_at=timezone.now())
    assert told() == [("priya@example.com", "Check the lead")]
    assert str(second.pk) not in mail.outbox[0].body  # a link does not show the prompt's id
    PromptMail.objects.update(next_at=timezone.now(), sent_at=None)
    prompts.answer(second, user=person("priya"), action="approve", data=GOOD)
    assert len(told()) == 1
    assert PromptMail.objects.get().next_at is None


def test_pages_are_told_of_a_withdrawn_prompt_once_whoever_withdrew_it(monkeypatch):
    execution, (prompt,) = ask()
    sent: list[tuple[str, dict]] = []
    monkeypatch.setattr("executions.events.send_all", sent.extend)

    control.cancel(execution, user=person("owner"))
    drive(execution)
    assert prompt_due.tell_withdrawn() == 1
    assert prompt_due.tell_withdrawn() == 0

    groups = {group for group, event in sent if event["type"] == "prompt.resolved"}
    assert groups == {f"execution.{execution.number}", f"user.{person('owner').pk}"}
    assert sent[0][1]["prompts"][0] | {"title": ""} == {
        "id": str(prompt.pk),
        "title": "",
        "status": "withdrawn",
        "url": f"/prompts/{prompt.pk}/",
    }
