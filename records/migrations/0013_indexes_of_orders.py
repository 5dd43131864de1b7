from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


def of_kind(name: str, *fields: str) -> AddIndexConcurrently:
    index = models.Index(
        fields=("workflow", "record_type", "status", *fields), condition=Q(execution_id__isnull=True), name=name
    )
    return AddIndexConcurrently("workflowrecord", index)


class Migration(migrations.Migration):
    """An index of types and statuses for each order of lists, in place of three that helped less; while runs go on."""

    atomic = False

    dependencies = [("records", "0012_numbers_of_single_records")]

    operations = [
        of_kind("record_by_type_status", "id"),
        of_kind("record_by_type_status_update", "updated_at", "id"),
        of_kind("record_by_type_status_name", "record_id", "id"),
        RemoveIndexConcurrently("workflowrecord", "record_by_type"),
        RemoveIndexConcurrently("workflowrecord", "record_by_update"),
        RemoveIndexConcurrently("workflowrecord", "record_by_iterate"),
    ]
