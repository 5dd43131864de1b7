"""Workflows that ask people, and people to answer them."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from executions.models import Execution, HumanPrompt
from executions.step_types import people
from tests.executions.running import drive, email, publish, start

LEAD = """
director: 1
name: Leads
steps:
  - alias: each
    type: iterate
    config: {over_records: email}
    body:
      - alias: review
        type: human_prompt
        store_to_record: true
        config:
          title: "Check the lead"
          message: "Sure enough? **%s**"
          order: [company, seats, segment]
          fields:
            type: object
            required: [company]
            properties:
              company: {type: string, title: Company, maxLength: 80, default: "{{ current.company }}"}
              seats: {type: integer, minimum: 1, maximum: 500}
              segment: {enum: [smb, mid-market, enterprise]}
            if: {properties: {segment: {const: enterprise}}, required: [segment]}
            then: {required: [contract], properties: {contract: {type: string, title: Contract}}}
          %s
        branches:
          - on: approve
            steps:
              - {alias: won, type: set, config: {value: "{{ review.fields.company }}"}}
          - on: reject
            steps:
              - {alias: lost, type: set, config: {value: "{{ review.comment }}"}}
      - {alias: after, type: set, config: {value: "{{ review.action }}"}}
"""


def person(name: str, *groups: str, **over: Any) -> Any:
    people.found.cache_clear()  # of names that an earlier test looked up
    user, _ = get_user_model().objects.get_or_create(username=name, defaults={"email": f"{name}@example.com", **over})
    user.groups.add(*(Group.objects.get_or_create(name=group)[0] for group in groups))
    return user


def lead(options: str = "", message: str = "really") -> str:
    return LEAD % (message, options.replace("\n", "\n          "))


def ask(
    options: str = "", *, records: int = 1, first: int = 1, definition: str = "", **how: Any
) -> tuple[Execution, list[HumanPrompt]]:
    """Start a run whose records all wait for a person; return it with its prompts in the order of the records."""
    workflow = publish(definition or lead(options))
    for number in range(first, first + records):
        email(workflow, number, company=f"Kestrel {number}")
    execution = drive(start(workflow, **how))
    return execution, list(HumanPrompt.objects.filter(execution=execution).order_by("frame_id"))
