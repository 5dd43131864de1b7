"""Prompts over a real web process, with workers that are killed and servers that go away: answered once, gone on with once."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from director.api import tokens
from director.embedded.layout import Layout
from director.embedded.servers import Postgres, Redis
from executions.models import Execution, ExecutionStep, HumanPrompt, PromptAnswer
from tests.crash.runs import assert_failed_only_as_interrupted, finished, has_become, with_records
from tests.executions.prompting import person
from tests.executions.running import email, outputs, publish, start
from tests.rig.step_types import lines
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

REVIEW = """
director: 1
name: Reviews
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - alias: review
        type: human_prompt
        config: {title: "{{ current.subject }}", timeout: 1h, on_timeout: %s}
        branches:
          - on: approve
            steps: [{alias: won, type: set, config: {value: 1}}]
          - on: reject
            steps: [{alias: lost, type: set, config: {value: 1}}]
"""
NESTED = """
director: 1
name: Orders
steps:
  - alias: orders
    type: iterate
    config: {over_records: order}
    body:
      - alias: lines
        type: iterate
        config: {over: "{{ current.lines }}"}
        body:
          - {alias: check, type: human_prompt, config: {title: "{{ item }} of {{ outer.record_id }}"}}
          - {alias: send, type: append_to_file, config: {path: sent.jsonl, rows: "{{ outer.record_id }} {{ item }}"}}
          - {alias: said, type: set, config: {value: "{{ item }} {{ check.comment }}"}}
      - {alias: sum, type: set, config: {value: "{{ lines.total }}"}}
"""


def client(server, name: str) -> httpx.Client:
    """A person's client, one connection per thread that uses it at once."""
    token = tokens.issue(person(name))[1]
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def open_prompts(execution: Execution) -> list[HumanPrompt]:
    return list(HumanPrompt.objects.filter(execution=execution, status="open").order_by("pk"))


def waits_for(execution: Execution, count: int) -> list[HumanPrompt]:
    wait_for(lambda: has_become(execution, "waiting"), 60, what="every record to ask")
    asked = open_prompts(execution)
    assert len(asked) == count
    return asked


def approve(http: httpx.Client, prompt: HumanPrompt, action: str = "approve") -> httpx.Response:
    return http.post(f"/api/prompts/{prompt.pk}/answer", json={"action": action})


def test_of_two_people_who_answer_at_the_same_instant_one_decides_and_the_other_hears_who(worker, server):
    workflow = with_records(REVIEW % "fail", 20)
    workflow.collaborators.add(person("priya"), person("jonas"))
    worker()
    execution = start(workflow)
    asked = waits_for(execution, 20)
    begin = threading.Barrier(2)

    def answer(http: httpx.Client, action: str) -> list[httpx.Response]:
        answers = []
        for prompt in asked:
            begin.wait(30)
            place = f"/api/executions/{execution.number}/human-prompt/review/respond"
            answers.append(http.post(place, json={"action": action, "record": prompt.record.record_id}))
        return answers

    with client(server, "priya") as priya, client(server, "jonas") as jonas, ThreadPoolExecutor(2) as both:
        tries = [both.submit(answer, priya, "approve"), both.submit(answer, jonas, "reject")]
        pairs = list(zip(*(each.result() for each in tries), strict=True))

    wait_for(lambda: finished(execution), what="the records to go on")
    first = Counter()
    for prompt, pair in zip(asked, pairs, strict=True):
        taken, refused = sorted(pair, key=lambda answer: answer.status_code)
        assert (taken.status_code, refused.status_code) == (200, 409), (taken.text, refused.text)
        prompt.refresh_from_db()
        winner = "priya" if taken is pair[0] else "jonas"
        assert refused.json()["by"] == winner
        assert (prompt.answered_by.username, prompt.answers.count()) == (winner, 1)
        first[winner] += 1
    assert execution.status == "completed"
    assert (len(outputs(execution, "won")), len(outputs(execution, "lost"))) == (first["priya"], first["jonas"])


def test_of_an_answer_and_the_time_out_one_decides(worker, beat, server):
    workflow = with_records(REVIEW % "{branch: reject}", 60)
    worker()
    execution = start(workflow)
    asked = waits_for(execution, 60)
    first = timezone.now() + timedelta(seconds=0.5)
    for place, prompt in enumerate(asked):  # their time comes while the answers do
        HumanPrompt.objects.filter(pk=prompt.pk).update(due_at=first + timedelta(seconds=place * 0.03))

    with client(server, "owner") as owner, ThreadPoolExecutor(2) as some:
        answers = Counter(some.map(lambda prompt: approve(owner, prompt).status_code, reversed(asked)))

    wait_for(lambda: finished(execution), what="the end of the run")
    assert set(answers) <= {200, 409}
    became = Counter(HumanPrompt.objects.filter(execution=execution).values_list("status", flat=True))
    assert became == Counter({"answered": answers[200], "timed_out": 60 - answers[200]}) - Counter()
    assert (len(outputs(execution, "won")), len(outputs(execution, "lost"))) == (answers[200], 60 - answers[200])
    assert PromptAnswer.objects.count() == answers[200]


def order(workflow, number: int, count: int) -> None:
    record = email(workflow, number, lines=[f"line {place}" for place in range(count)])
    record.record_id, record.record_type = f"order_{number}", "order"
    record.save()


def test_workers_are_killed_between_answer_and_going_on_and_each_record_goes_on_once(worker, beat, server, tmp_path):
    workflow = publish(NESTED)
    for number in range(1, 11):
        order(workflow, number, 12)
    folder = {"DIRECTOR_WRITE_ROOTS": str(tmp_path)}
    alive = [worker(**folder), worker(**folder)]
    execution = start(workflow)
    asked = waits_for(execution, 120)
    chance = random.Random(20261121)

    with client(server, "owner") as owner:
        for place, prompt in enumerate(asked):
            answer = {"action": "approve", "comment": str(place)}
            taken = owner.post(f"/api/prompts/{prompt.pk}/answer", json=answer)
            assert taken.status_code == 200, taken.text
            if place % 20 == 10:
                alive.pop(chance.randrange(2)).kill()
                alive.append(worker(ready=False, **folder))

    wait_for(lambda: finished(execution), 90, what="the end of the run")
    assert execution.status == "completed"
    assert_failed_only_as_interrupted(execution, kills=6)
    told = Counter(ExecutionStep.objects.filter(execution=execution, alias="check").values_list("frame_id", "status"))
    assert told == {(prompt.frame_id, "complete"): 1 for prompt in asked}
    sent = Counter(lines(tmp_path / "sent.jsonl"))
    assert set(sent.values()) == {1}
    assert len(sent) >= ExecutionStep.objects.filter(execution=execution, alias="send", status="complete").count()
    assert outputs(execution, "sum") == [12] * 10


def test_thousands_of_open_prompts_survive_a_restart_of_redis_and_postgresql(worker, beat, server, stack: Layout):
    workflow = with_records(REVIEW % "fail", 3_000)
    worker()
    execution = start(workflow)
    asked = waits_for(execution, 3_000)
    connection.close()

    with stack.outage():
        Redis(stack).stop()
        Postgres(stack).stop()
    wait_for(lambda: Redis(stack).is_running() and Postgres(stack).is_running(), what="their keepers to start them")

    assert [prompt.pk for prompt in _again(lambda: open_prompts(execution))] == [prompt.pk for prompt in asked]
    with client(server, "owner") as owner:
        asked_at = time.monotonic()
        assert approve(owner, asked[0]).status_code == 200
        record = asked[0].record
        wait_for(lambda: record.refresh_from_db() or record.status == "complete", what="the record to go on")
        print(f"gone on after {time.monotonic() - asked_at:.3f} s")
        for prompt in asked[1:20]:
            assert approve(owner, prompt).status_code == 200
    HumanPrompt.objects.filter(execution=execution, status="open").update(due_at=timezone.now())
    wait_for(lambda: finished(execution), 60, what="the others to time out")
    assert Counter(workflow.records.values_list("status", flat=True)) == {"complete": 20, "failed": 2_980}


def _again(ask: Any) -> Any:
    """The first answer of a database that is being started."""

    def attempt() -> Any:
        try:
            return ask()
        except OperationalError:
            connection.close()
            return None

    return wait_for(attempt)
