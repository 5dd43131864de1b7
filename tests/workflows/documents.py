"""Documents that the tests of definitions share."""

INBOX_TRIAGE = """\
director: 1
name: Inbox triage
steps:
  - alias: inbox
    type: read_mailbox
    config: {path: samples/inbox.mbox}
    create_records: {type: email, id_pattern: "email_{{ index }}", on_existing: merge}
  - alias: each_email
    type: iterate
    config: {over_records: "email_*", on_error: mark_failed_continue, concurrency: 8}
    body:
      - alias: kind
        type: condition
        branches:
          - if: "{{ 'invoice' in current.subject | lower }}"
            steps:
              - {alias: finance, type: set, config: {value: finance}, store_to_record: true, as: category}
          - else:
            steps:
              - {alias: other, type: set, config: {value: other}, store_to_record: true, as: category}
      - alias: route
        type: switch
        config: {on: "{{ current.category }}"}
        cases:
          - case: finance
            steps: []
          - default:
            steps: []
  - alias: summary
    type: set
    config: {value: "{{ each_email.processed }} done, {{ each_email.failed }} failed"}
"""


def a_set(alias, value, **over):
    """A step that sets a value."""
    return {"alias": alias, "type": "set", "config": {"value": value}, **over}


def an_iterate(alias, *body, **config):
    """An iterate over all e-mails unless the config says otherwise."""
    return {"alias": alias, "type": "iterate", "config": config or {"over_records": "email_*"}, "body": list(body)}


def a_document(*steps, **over):
    return {"director": 1, "name": "Inbox triage", "steps": list(steps), **over}
