"""What a workflow knows, how it came to be, and what is done to many records at once."""

from records.models.data import (
    OnInvalid,
    RecordCount,
    RecordCounter,
    RecordSearch,
    RecordType,
    WorkflowRecord,
    WorkflowVariable,
)
from records.models.history import ChangeKind, ChangeSource, RecordChange, VariableChange
from records.models.operations import (
    BulkKind,
    BulkOperation,
    BulkOutcome,
    BulkOutcomeKind,
    BulkStatus,
    ImportStatus,
    RecordImport,
    RecordImportPart,
    SavedView,
)

__all__ = (
    "BulkKind",
    "BulkOperation",
    "BulkOutcome",
    "BulkOutcomeKind",
    "BulkStatus",
    "ChangeKind",
    "ChangeSource",
    "ImportStatus",
    "OnInvalid",
    "RecordChange",
    "RecordCount",
    "RecordCounter",
    "RecordImport",
    "RecordImportPart",
    "RecordSearch",
    "RecordType",
    "SavedView",
    "VariableChange",
    "WorkflowRecord",
    "WorkflowVariable",
)
