"""The steps that write files, log and notify: what they do, what they refuse, and what a crash in between means."""

from smtplib import SMTPException

import pytest
from django.core import mail
from django.core.mail.backends import locmem

from executions.models import Execution, ExecutionStep, LogEvent, Notification
from executions.queries import log_page
from tests.executions.prompting import person
from tests.executions.running import drive, email, outputs, publish, run, start, wake_all
from tests.executions.test_effects import interrupt
from workflows.errors import DefinitionInvalid

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = "{alias: rest, type: delay, config: {duration: 3600}}"


@pytest.fixture(autouse=True)
def files(tmp_path, settings):
    """The folder that is open for writing."""
    settings.DIRECTOR_WRITE_ROOTS = [tmp_path / "files"]
    return tmp_path / "files"


def each(*steps: str) -> str:
    body = "\n".join(f"      - {step}" for step in steps)
    return f"""
director: 1
name: Side effects
steps:
  - alias: each
    type: iterate
    config: {{over_records: email, order: subject}}
    body:
{body}
"""


def once(kind: str, config: str) -> str:
    """A workflow of one step at its top level."""
    return f"director: 1\nname: Side effects\nsteps:\n  - {{alias: effect, type: {kind}, config: {{{config}}}}}\n"


def failure(definition: str) -> str:
    """What the execution of one step failed with."""
    execution = run(definition)
    assert execution.status == "failed"
    return execution.error["message"]


def after_a_crash(step: str, *, subject: str = "=1+1") -> Execution:
    """A run whose record's effect has happened, and whose receipt was lost with the worker."""
    workflow = publish(each(step, WAIT))
    email(workflow, 1, subject=subject)
    execution = drive(start(workflow))
    assert execution.status == "waiting", workflow.records.get().error_message
    interrupt(execution, "effect")
    wake_all(execution)
    return drive(execution)


def status_of(execution: Execution, alias: str = "effect") -> str:
    return ExecutionStep.objects.filter(execution=execution, alias=alias).latest("id").status


class TestFiles:
    ROWS = 'rows: [{name: "=cmd()", seats: -5, tags: [a, b]}, {name: "Zoë, \\"Z\\"", note: null}]'

    def test_rows_become_a_csv_file_that_no_spreadsheet_runs(self, files):
        execution = run(
            once("write_file", f"path: files/out/leads.csv, columns: [name, seats, tags, note], {self.ROWS}")
        )

        content = (files / "out/leads.csv").read_bytes().decode()
        assert content == 'name,seats,tags,note\r\n\'=cmd(),-5,"[""a"",""b""]",\r\n"Zoë, ""Z""",,,\r\n'
        size = len(content.encode())
        assert outputs(execution, "effect") == [
            {"path": "files/out/leads.csv", "format": "csv", "rows": 2, "bytes": size}
        ]

    def test_columns_are_chosen_and_the_guard_is_left_off_when_it_is_said(self, files):
        run(once("write_file", f"path: leads.csv, columns: [tags, name], guard_formulas: false, {self.ROWS}"))

        assert (files / "leads.csv").read_text().splitlines()[1] == '"[""a"",""b""]",=cmd()'

    def test_a_file_that_is_there_is_replaced_as_a_whole_and_nothing_else_is_left(self, files):
        files.mkdir()
        (files / "out.jsonl").write_text("old\n" * 1000)

        run(once("write_file", 'path: out.jsonl, rows: [{a: 1}, "text", [2]]'))

        assert (files / "out.jsonl").read_text() == '{"a":1}\n"text"\n[2]\n'
        assert [entry.name for entry in files.iterdir()] == ["out.jsonl"]

    def test_records_append_their_rows_each_whole_below_one_header(self, files):
        workflow = publish(
            each(
                '{alias: effect, type: append_to_file, config: {path: all.csv, rows: {subject: "{{ current.subject }}"}}}'
            )
        )
        for number in range(1, 41):
            email(workflow, number)

        run(workflow)

        header, *lines = (files / "all.csv").read_text().splitlines()
        assert header == "subject"
        assert sorted(lines) == sorted(f"Message {number}" for number in range(1, 41))

    def test_a_row_with_a_column_that_the_file_has_not_is_refused_and_the_file_stays(self, files):
        run(once("append_to_file", "path: all.csv, rows: {name: Ada, '=odd': 1}"))
        before = (files / "all.csv").read_bytes()

        run(once("append_to_file", "path: all.csv, rows: {name: Grace, '=odd': 2}"))
        message = failure(once("append_to_file", "path: all.csv, rows: {naem: Alan}"))

        assert (files / "all.csv").read_bytes() == before + b"2,Grace\r\n"
        assert 'but not naem. Did you mean "name"?' in message

    def test_a_last_line_without_an_end_is_ended_first(self, files):
        files.mkdir()
        (files / "log.jsonl").write_text('{"hand": "made"}')

        run(once("append_to_file", "path: log.jsonl, rows: {a: 1}"))

        assert (files / "log.jsonl").read_text() == '{"hand": "made"}\n{"a":1}\n'

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            pytest.param("path: ../escaped.csv, rows: []", "outside the folders that steps may write to", id="dots"),
            pytest.param("path: /etc/escaped.csv, rows: []", "DIRECTOR_WRITE_ROOTS", id="absolute"),
            pytest.param("path: link/escaped.csv, rows: []", "outside the folders", id="a link"),
            pytest.param("path: folder.csv, rows: []", "it is a folder", id="a folder"),
            pytest.param(f"path: {'x' * 300}.csv, rows: []", "File name too long", id="a long name"),
            pytest.param("path: \"{{ ['a'] }}\", rows: [], format: csv", "config.path", id="no text"),
            pytest.param("path: \"{{ 'out.txt' }}\", rows: []", "say its `format`", id="an unknown ending"),
            pytest.param("path: out.csv, rows: [{a: 1}, 2]", "rows[1] is a number", id="a row that is none"),
        ],
    )
    @pytest.mark.parametrize("kind", ["write_file", "append_to_file"])
    def test_what_cannot_be_written_fails_with_the_reason_and_leaves_nothing(
        self, kind, config, reason, files, tmp_path
    ):
        (files / "folder.csv").mkdir(parents=True)
        (files / "link").symlink_to(tmp_path)

        assert reason in failure(once(kind, config))

        assert sorted(entry.name for entry in files.iterdir()) == ["folder.csv", "link"]
        assert not (tmp_path / "escaped.csv").exists()

    def test_what_is_wrong_with_a_definition_is_said_when_it_is_imported(self):
        with pytest.raises(DefinitionInvalid) as refused:
            publish(once("write_file", "path: out.txt, rows: [], mode: append"))
        said = str(refused.value)
        assert "does not end in .csv, .jsonl, .ndjson" in said
        assert "mode" in said

        with pytest.raises(DefinitionInvalid, match="`columns` is for CSV files"):
            publish(once("write_file", "path: out.txt, rows: [], format: jsonl, columns: [a]"))

    def test_replacing_is_done_again_after_a_crash_and_the_file_is_the_same(self, files):
        execution = after_a_crash(
            '{alias: effect, type: write_file, config: {path: one.jsonl, rows: {a: "{{ current.subject }}"}}}'
        )

        assert (execution.status, status_of(execution)) == ("completed", "complete")
        assert (files / "one.jsonl").read_text() == '{"a":"=1+1"}\n'

    def test_appending_is_not_done_again_after_a_crash(self, files):
        execution = after_a_crash(
            '{alias: effect, type: append_to_file, config: {path: one.csv, rows: {a: "{{ current.subject }}"}}}'
        )

        assert (execution.records_failed, status_of(execution)) == (1, "interrupted")
        assert (files / "one.csv").read_bytes() == b"a\r\n'=1+1\r\n"


class TestLog:
    STEP = '{alias: effect, type: log_event, config: {level: warning, message: "Odd: {{ current.subject }}", data: {n: 1}}}'

    def test_an_event_is_in_the_log_of_its_run_beside_its_step(self, client):
        workflow = publish(each(self.STEP))
        email(workflow, 1, subject="<b>1</b>")
        client.force_login(workflow.owner)

        execution = run(workflow)

        event = LogEvent.objects.get()
        assert (event.execution_id, event.level, event.data) == (execution.pk, "warning", {"n": 1})
        (line,) = log_page(execution, "warning").rows
        assert (line.level, line.message, line.record) == ("warning", "Odd: <b>1</b>", "email_001")
        assert "Odd: &lt;b&gt;1&lt;/b&gt;" in client.get(f"/executions/{execution.number}/?view=log").content.decode()

    def test_after_a_crash_it_is_said_once(self):
        execution = after_a_crash(self.STEP)

        assert (execution.status, status_of(execution)) == ("completed", "complete")
        assert LogEvent.objects.count() == 1

    def test_a_level_that_is_none_is_refused_when_importing_and_when_running(self):
        with pytest.raises(DefinitionInvalid, match="warning"):
            publish(once("log_event", "level: warn, message: x"))

        email(workflow := publish(each(self.STEP.replace("warning", "'{{ current.level }}'"))), 1, level="loud")
        assert run(workflow).records_failed == 1
        assert "not one of debug, info, warning, error" in workflow.records.get().error_message
        assert not LogEvent.objects.exists()


class NoServer(locmem.EmailBackend):
    """A mail server that is not there, or breaks off."""

    at = "open"

    def open(self) -> None:
        if self.at == "open":
            raise ConnectionRefusedError(111, "Connection refused")

    def send_messages(self, messages: object) -> int:
        raise SMTPException("broken off")


class BreaksOff(NoServer):
    at = "send"


class TestNotify:
    def test_users_groups_and_addresses_are_told_once_each_on_their_page_and_by_mail(self):
        person("maya", "Finance")
        person("noor", "Finance", email="")
        config = 'to: [maya, Finance, maya@example.com, client@example.org], title: "New\\nlead", message: Look., link: /records/'

        execution = run(once("notify", config))

        assert outputs(execution, "effect") == [{"notified": 2, "mailed": 2}]
        told = Notification.objects.order_by("user__username").values_list("user__username", "title", "message", "link")
        assert list(told) == [(name, "New lead", "Look.", "/records/") for name in ("maya", "noor")]
        (message,) = mail.outbox
        assert (message.subject, message.body) == ("New lead", "Look.\n\nhttp://localhost:8000/records/\n")
        assert sorted(message.recipients()) == ["client@example.org", "maya@example.com"]
        assert "client@example.org" not in message.message().as_string()

    def test_a_single_address_is_named_in_the_mail(self):
        run(once("notify", "to: {emails: client@example.org}, title: Hello"))

        assert mail.outbox[0].message()["To"] == "client@example.org"
        assert not Notification.objects.exists()

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            pytest.param("to: mya, title: x", 'Did you mean "maya"?', id="nobody of that name"),
            pytest.param('to: "a@", title: x', "no mail address", id="no address"),
            pytest.param('to: "{{ [] }}", title: x', "", id="nobody at all"),
            pytest.param(
                "to: maya, title: x, link: \"{{ 'javascript:alert(1)' }}\"", "no http or https", id="a script"
            ),
        ],
    )
    def test_what_cannot_be_sent_fails_with_the_reason_and_tells_nobody(self, config, reason):
        person("maya")

        assert reason in failure(once("notify", config))

        assert not mail.outbox
        assert not Notification.objects.exists()

    def test_a_link_that_a_browser_would_run_is_refused_when_importing(self):
        with pytest.raises(DefinitionInvalid, match="no http or https"):
            publish(once("notify", "to: maya, title: x, link: 'javascript:alert(1)'"))

    def test_without_a_mail_server_users_are_told_on_their_page_and_others_not_at_all(self, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
        person("maya")

        execution = run(once("notify", "to: maya, title: x"))

        assert outputs(execution, "effect") == [{"notified": 1, "mailed": 0}]
        assert "EMAIL_HOST" in failure(once("notify", "to: client@example.org, title: x"))

    def test_a_server_that_is_away_is_tried_again_and_one_that_breaks_off_is_not(self, settings):
        person("maya")
        definition = once("notify", "to: maya, title: x").replace("}}", "}, retry: {maximum_attempts: 3}}")
        settings.EMAIL_BACKEND = f"{__name__}.NoServer"
        waiting = drive(start(publish(definition)))
        settings.EMAIL_BACKEND = f"{__name__}.BreaksOff"
        message = failure(definition)
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        wake_all(waiting)

        assert drive(waiting).status == "completed"
        assert "may have gone out" in message
        assert len(mail.outbox) == 1
        assert Notification.objects.filter(execution=waiting).count() == 1

    def test_after_a_crash_nobody_is_told_twice(self):
        person("maya")

        execution = after_a_crash('{alias: effect, type: notify, config: {to: maya, title: "{{ current.subject }}"}}')

        assert (execution.records_failed, status_of(execution)) == (1, "interrupted")
        assert (len(mail.outbox), Notification.objects.count()) == (1, 1)
