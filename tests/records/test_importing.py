"""Files of records: looked at, confirmed, imported, exported; torn and odd ones; interrupted; there and back again."""

import json

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records import importing
from records.cells import MISSING, cell_of, value_of
from records.errors import ExportTooWide, ImportInvalid, ImportNotFound, ImportOver, PathInvalid
from records.exporting import export_csv, export_json_lines
from records.filters import RecordFilter, read_filter
from records.history import Origin
from records.importing import ImportOptions, read_options
from records.masking import MASK
from records.models import ChangeSource, RecordChange, RecordImport, RecordImportPart, RecordType
from records.patches import format_path
from records.records import Records
from records.variables import Variables
from tests.factories import make_record, make_user, make_workflow
from tests.rig.waiting import wait_for

LEADS = b"id;Firma;Sitze;Notiz\r\n1;Nordwerk;140;\r\n2;Blue Fjord;12;call back\r\n"


def bring(workflow, name, content, options=None, **more):
    """Upload, confirm and import a file."""
    kept = importing.upload(workflow, name, [content], **more)
    importing.confirm(kept, options or ImportOptions(type="lead"))
    importing.run(kept.pk)
    kept.refresh_from_db()
    return kept


def contents(workflow):
    return {
        record.record_id: (record.record_type, record.source_key, record.status, record.error_message, record.data)
        for record in workflow.records.all()
    }


@pytest.mark.django_db
def test_a_file_is_looked_at_then_confirmed_and_only_then_written():
    workflow, maya = make_workflow(), make_user("maya")
    kept = importing.upload(workflow, "C:\\leads\\leads.csv", [LEADS[:10], LEADS[10:]], actor=maya)
    options = ImportOptions(type="lead", mapping={"Firma": "fields.company", "Notiz": "vars.note", "id": ""})

    seen = importing.preview(kept, options)

    assert kept.file_name == "leads.csv"
    assert seen.columns == ["id", "Firma", "Sitze", "Notiz"]
    assert seen.targets == {"id": "", "Firma": "fields.company", "Sitze": "fields.Sitze", "Notiz": "vars.note"}
    assert seen.rows[1].record.data() == {
        "fields": {"company": "Blue Fjord", "Sitze": "12"},
        "vars": {"note": "call back"},
        "targets": {},
    }
    assert not workflow.records.exists()

    importing.confirm(kept, options, reason="the fair")
    assert not workflow.records.exists()
    assert importing.run(kept.pk) is False

    kept.refresh_from_db()
    assert (kept.status, kept.done, kept.created) == ("completed", 2, 2)
    assert sorted(contents(workflow)) == ["lead_001", "lead_002"]
    change = RecordChange.objects.get(name="lead_001")
    assert (change.kind, change.source, change.actor, change.reason) == ("created", "import", maya, "the fair")
    assert not RecordImportPart.objects.exists()
    with pytest.raises(ImportOver):
        importing.confirm(kept, options)


@pytest.mark.django_db
def test_rows_meet_their_records_again_by_the_id_that_the_mapping_gives():
    workflow = make_workflow()
    make_record(workflow, record_id="2", record_type="lead", fields={"Firma": "Blue Fjord", "city": "Aarhus"})
    options = ImportOptions(type="lead", mapping={"id": "record_id"})
    kept = importing.upload(workflow, "leads.csv", [LEADS])

    seen = importing.preview(kept, options)
    assert [(row.record.record_id, row.exists) for row in seen.rows] == [("1", False), ("2", True)]
    imported = bring(workflow, "leads.csv", LEADS, options)

    assert (imported.created, imported.merged) == (1, 1)
    assert workflow.records.get(record_id="2").data["fields"] == {
        "Firma": "Blue Fjord",
        "Sitze": "12",
        "Notiz": "call back",
        "city": "Aarhus",
    }
    by_pattern = ImportOptions(type="lead", id_pattern="lead_{{ item.id }}", on_existing="skip")
    assert bring(workflow, "leads.csv", LEADS, by_pattern).created == 2
    assert bring(workflow, "leads.csv", LEADS, by_pattern).skipped == 2
    assert "lead_1" in contents(workflow)


TORN = (
    "\ufeffNr;Gr\u00f6\u00dfe;Text;Text\r\n"
    '1;5,5;"mehrere\r\nZeilen; und ein ""Zitat""";x\r\n'
    "2;zu kurz\r\n"
    "\r\n"
    "1;6;nochmal;y\r\n"
    "3;=1+1;-5;@z\r\n"
)


@pytest.mark.django_db
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_torn_csv_gives_its_good_rows_and_names_the_others(encoding):
    text = TORN.lstrip("\ufeff") if encoding == "latin-1" else TORN if encoding == "utf-8" else TORN[1:]
    workflow = make_workflow()

    kept = bring(workflow, "tabelle.csv", text.encode(encoding), ImportOptions(type="row", mapping={"Nr": "record_id"}))

    assert (kept.done, kept.created, kept.merged, kept.failed) == (4, 2, 1, 1)
    assert kept.problems == [
        {"position": "row 2 of tabelle.csv (line 4)", "reason": "the row has 2 columns, the header has 4"}
    ]
    assert workflow.records.get(record_id="1").data["fields"] == {
        "Gr\u00f6\u00dfe": "6",
        "Text": "nochmal",
        "Text_2": "y",
    }
    assert workflow.records.get(record_id="3").data["fields"]["Gr\u00f6\u00dfe"] == "=1+1"


@pytest.mark.django_db
def test_quoted_newlines_and_200_columns_arrive_whole():
    header = ",".join(f"c{number}" for number in range(200))
    row = ",".join(f'"line 1\nline {number}"' for number in range(200))
    workflow = make_workflow()

    bring(workflow, "wide.csv", f"{header}\n{row}\n".encode())

    fields = workflow.records.get().data["fields"]
    assert (len(fields), fields["c199"]) == (200, "line 1\nline 199")


@pytest.mark.django_db
def test_json_lines_and_arrays_with_bad_rows_among_them():
    workflow = make_workflow()
    RecordType.objects.create(workflow=workflow, name="lead", schema={"properties": {"seats": {"type": "integer"}}})
    lines = b'{"id": 1, "seats": 5}\nnot json\n{"id": 2, "seats": "many"}\n{"record_id": "temp:x"}\n[1, 2]\n'

    kept = bring(workflow, "leads.jsonl", lines)

    assert (kept.created, kept.failed) == (2, 3)
    assert [problem["position"] for problem in kept.problems] == [
        f"line {number} of leads.jsonl (line {number})" for number in (2, 3, 4)
    ]
    assert "fields.seats" in kept.problems[1]["reason"]
    assert workflow.records.get(record_id="lead_002").data["fields"] == {"value": [1, 2]}
    array = json.dumps([{"fields": {"a": 1}, "vars": {"b": 2}, "c": 3}, {"record_type": "other"}]).encode()
    bring(workflow, "leads.json", array, ImportOptions(type="thing"))
    assert workflow.records.get(record_id="thing_001").data == {
        "fields": {"a": 1, "c": 3},
        "vars": {"b": 2},
        "targets": {},
    }


@pytest.mark.django_db
def test_what_cannot_be_imported_is_refused_before_anything_is_written():
    workflow = make_workflow()
    kept = importing.upload(workflow, "leads.csv", [LEADS])

    for options, told in (
        ({"mapping": {"Frima": "fields.company"}}, r'Did you mean "Firma"\?'),
        ({"maping": {}}, r'Did you mean "mapping"\?'),
        ({"on_existing": "replace"}, "is not known"),
        ({"mapping": ["a"]}, "must be an object"),
        ({"typed": "no"}, "must be true, false"),
    ):
        with pytest.raises(ImportInvalid, match=told):
            importing.confirm(kept, read_options(options))
    with pytest.raises(PathInvalid):
        importing.confirm(kept, ImportOptions(type="lead", mapping={"Firma": "company"}))
    with pytest.raises(ImportInvalid, match="is empty"):
        importing.upload(workflow, "empty.csv", [])
    with pytest.raises(ImportInvalid, match="save its rows as CSV"):
        importing.upload(workflow, "leads.xlsx", [b"PK\x03\x04..."])
    with pytest.raises(ImportInvalid, match="has no rows"), transaction.atomic():
        importing.preview(importing.upload(workflow, "head.csv", [b"id,company\n"]), ImportOptions(type="lead"))
    assert importing.preview(kept, ImportOptions()).rows[0].problem.startswith('The import\'s "type" is not given')
    with pytest.raises(ImportNotFound):
        importing.get_import(make_workflow(), kept.pk)
    assert RecordImport.objects.get().status == "uploaded"


@pytest.mark.django_db
def test_an_upload_over_the_limit_leaves_nothing_and_an_old_one_is_forgotten(monkeypatch):
    monkeypatch.setattr(importing, "MAX_BYTES", 10)
    with pytest.raises(ImportInvalid, match="split it"):
        importing.upload(make_workflow(), "leads.csv", [LEADS])
    assert not RecordImport.objects.exists()
    monkeypatch.undo()

    kept = importing.upload(make_workflow(), "leads.csv", [LEADS])
    importing.resume_stalled()
    assert RecordImport.objects.exists()
    RecordImport.objects.filter(pk=kept.pk).update(worked_at="2026-01-01T00:00:00Z")
    importing.resume_stalled()
    assert not RecordImport.objects.exists()
    assert not RecordImportPart.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_export_then_import_gives_the_same_records(kind):
    records = Records(make_workflow(), Origin(ChangeSource.API))
    odd = {
        "text": "5", "number": 5, "float": 1.5, "no": False, "null": None, "empty": "", "blank": " ", "list": [1, "a"],
        "nested": {"a.b": {"c": "ü"}}, "formula": "=1+1", "quote": "'x", "json": '{"a": 1}', "lines": "a\nb,\"c\"; d",
        "name with spaces.and [dots]": 1, "quo\"te'": 2, "zeros": "007",
    }  # fmt: skip
    records.create("lead", odd, record_id="007", vars={"score": 0.5, "tags": []}, targets={"crm": {"id": "rec1"}})
    records.create_many("email", [{"message_id": "<a@b.example>", "subject": "Hi"}])
    records.move("007", "failed", error="Airtable 422: no\nsuch segment")
    make_record(records.workflow, status="processing", frame_id=1, record_id="held")
    export = export_csv if kind == "csv" else export_json_lines
    content = b"".join(export(records.workflow.pk, RecordFilter()))

    other = make_workflow()
    kept = bring(other, f"records.{kind}", content, ImportOptions())

    assert (kept.created, kept.problems) == (3, [])
    expected = contents(records.workflow)
    expected["held"] = (*expected["held"][:2], "discovered", *expected["held"][3:])
    assert contents(other) == expected
    assert bring(other, f"records.{kind}", content, ImportOptions()).unchanged == 3


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8) | st.sampled_from(
    ["5", "null", '"', "'", "=1", "-", "true", " ", "[", "1e5", "1_000"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


@given(json_values)
def test_every_value_comes_back_from_its_cell(value):
    assert json.dumps(value_of(cell_of(value))) == json.dumps(value)
    assert value_of(cell_of(MISSING)) is MISSING


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(texts, json_values, max_size=4), min_size=1, max_size=3))
def test_any_data_survives_export_and_import(rows):
    records, other = Records(make_workflow(), Origin(ChangeSource.API)), make_workflow()
    for number, row in enumerate(rows):
        records.create("row", row, record_id=f"row_{number}", vars=row)

    for export, name in ((export_csv, "rows.csv"), (export_json_lines, "rows.jsonl")):
        bring(other, name, b"".join(export(records.workflow.pk, RecordFilter())), ImportOptions())
        assert contents(other) == contents(records.workflow)
        other.records.all().delete()


@pytest.mark.django_db
def test_an_export_takes_a_filter_and_columns_and_masks_secrets_without_permission():
    records = Records(make_workflow(), Origin(ChangeSource.API))
    records.create("lead", {"company": "Nordwerk", "api_key": "s3cr3t"}, record_id="lead_1")
    records.create("lead", {"company": "Blue Fjord"}, record_id="lead_2")
    workflow, nordic = records.workflow.pk, read_filter({"text": "nordwerk"})

    masked = b"".join(export_csv(workflow, nordic)) + b"".join(export_json_lines(workflow, nordic))
    chosen = b"".join(export_csv(workflow, RecordFilter(), columns=["record_id", "fields.company"])).decode("utf-8-sig")

    assert b"s3cr3t" not in masked
    assert masked.count(MASK.encode()) == 2
    assert b"Blue Fjord" not in masked
    assert b"s3cr3t" in b"".join(export_json_lines(workflow, nordic, reveal=True))
    assert chosen.splitlines() == ["record_id,fields.company", "lead_1,Nordwerk", "lead_2,Blue Fjord"]
    with pytest.raises(PathInvalid):
        export_csv(workflow, RecordFilter(), columns=["company"])


@pytest.mark.django_db
def test_an_export_with_too_many_columns_is_refused_before_it_begins(monkeypatch):
    monkeypatch.setattr("records.exporting.MAX_COLUMNS", 3)
    workflow = make_workflow()
    make_record(workflow, fields={format_path(("x", str(number))): 1 for number in range(4)})

    with pytest.raises(ExportTooWide, match="JSON Lines"):
        export_csv(workflow.pk, RecordFilter())


@pytest.mark.django_db
def test_a_cancelled_import_keeps_what_is_done(monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    workflow = make_workflow()
    content = b"".join(b'{"id": %d}\n' % number for number in range(7))
    kept = importing.upload(workflow, "leads.jsonl", [content])
    importing.confirm(kept, ImportOptions(type="lead"))

    assert importing.run(kept.pk, seconds=-1) is True
    importing.cancel(kept)

    assert importing.run(kept.pk) is False
    kept.refresh_from_db()
    assert (kept.status, kept.done, workflow.records.count()) == ("cancelled", 2, 2)


@pytest.mark.django_db(transaction=True)
def test_an_import_survives_the_kill_of_its_worker_and_no_row_is_lost_or_doubled(worker):
    workflow = make_workflow()
    content = b"".join(b'{"id": %d, "note": "%s"}\n' % (number, b"x" * 100) for number in range(60_000))
    first = worker()
    kept = importing.upload(workflow, "leads.jsonl", [content])
    importing.confirm(kept, ImportOptions(type="lead"))

    def done():
        kept.refresh_from_db()
        return kept.done

    wait_for(lambda: done() > 2_000, 60, what="the first batches")
    first.kill()
    interrupted_at = done()
    worker()
    RecordImport.objects.update(worked_at="2026-01-01T00:00:00Z")  # as if half a minute had passed
    assert importing.resume_stalled() == 1

    wait_for(lambda: done() and kept.is_over, 120, what="the end of the import")
    assert 0 < interrupted_at < 60_000
    assert (kept.status, kept.created, kept.done) == ("completed", 60_000, 60_000)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT record_id), count(DISTINCT source_key) FROM workflow_records")
        assert cursor.fetchone() == (60_000, 60_000, 60_000)
    assert max(len(record_id) for record_id in workflow.records.values_list("record_id", flat=True)) == len(
        "lead_60000"
    )


@pytest.mark.django_db
def test_a_masked_export_that_comes_back_leaves_the_secrets_as_they_are():
    workflow = make_workflow()
    make_record(workflow, record_id="crm_001", record_type="crm", fields={"name": "Fjord", "api_key": "s3cr3t-42"})
    make_record(workflow, record_id="crm_002", record_type="crm", fields={"login": {"user": "x", "password": "s3cr3t"}})
    before = contents(workflow)

    masked = b"".join(export_csv(workflow.pk, RecordFilter()))
    imported = bring(workflow, "again.csv", masked)

    assert MASK.encode() in masked
    assert (imported.unchanged, imported.failed) == (1, 1)
    assert imported.problems[0]["reason"].startswith("fields.login.password is a mask, not a value")
    assert contents(workflow) == before


@pytest.mark.django_db
def test_a_record_that_comes_twice_in_a_file_gets_what_both_rows_say():
    workflow = make_workflow()
    content = b"record_id,record_type,vars.a,targets.b,fields.c\nx1,lead,1,,1\nx1,lead,,2,\n"

    kept = bring(workflow, "leads.csv", content, ImportOptions())

    assert (kept.created, kept.merged) == (1, 1)
    assert workflow.records.get().data == {"fields": {"c": 1}, "vars": {"a": 1}, "targets": {"b": 2}}


@pytest.mark.django_db
def test_a_text_that_was_exported_with_a_mask_in_it_is_left_as_it_is_and_makes_no_new_record():
    workflow = make_workflow()
    Variables(workflow, Origin(ChangeSource.API)).set("crm_token", "s3cr3t-42")
    make_record(workflow, record_id="crm_001", record_type="crm", fields={"note": "Bearer s3cr3t-42", "tier": "gold"})
    make_record(workflow, record_id="crm_002", record_type="crm", fields={"lines": [{"note": "by s3cr3t-42"}]})
    masked = b"".join(export_csv(workflow.pk, RecordFilter()))
    workflow.records.filter(record_id="crm_001").update(data={"fields": {"note": "Bearer s3cr3t-42", "tier": "tin"}})

    imported = bring(workflow, "again.csv", masked)

    assert b"s3cr3t-42" not in masked
    assert (imported.merged, imported.failed) == (1, 1)
    assert imported.problems[0]["reason"].startswith("fields.lines[0].note is a mask, not a value")
    assert contents(workflow)["crm_001"][-1]["fields"] == {"note": "Bearer s3cr3t-42", "tier": "gold"}

    workflow.records.all().delete()
    upload = importing.upload(workflow, "new.csv", [masked])
    seen, made = importing.preview(upload, ImportOptions()), bring(workflow, "new.csv", masked)

    assert (made.created, made.failed) == (0, 2)
    assert {row.problem.partition(",")[0] for row in seen.rows} == {
        "fields.note is a mask",
        "fields.lines[0].note is a mask",
    }
