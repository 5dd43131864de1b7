"""What the records app refuses.

RecordError     RecordNotFound, BucketInvalid 404 · RecordChanged, RecordHeld, RecordRefused, MoveRefused 409
                RecordInvalid, RecordIdInvalid, RecordTooLarge, SchemaInvalid, PatchRefused, PathInvalid,
                FilterInvalid 422 · CursorInvalid 400
                BulkNotFound, ImportNotFound 404 · BulkGrown, BulkOver, ImportOver 409
                BulkInvalid, ImportInvalid, ExportTooWide 422
VariableError   VariableNotFound 404 · VariableChanged, VariableDiffers 409 · VariableInvalid, VariableKeyInvalid 422
                RevealRefused 403
"""

from records.errors.data import (
    BucketInvalid,
    CursorInvalid,
    FilterInvalid,
    MoveRefused,
    PatchRefused,
    PathInvalid,
    RecordChanged,
    RecordError,
    RecordHeld,
    RecordIdInvalid,
    RecordInvalid,
    RecordNotFound,
    RecordRefused,
    RecordTooLarge,
    SchemaInvalid,
)
from records.errors.operations import (
    BulkGrown,
    BulkInvalid,
    BulkNotFound,
    BulkOver,
    ExportTooWide,
    ImportInvalid,
    ImportNotFound,
    ImportOver,
)
from records.errors.variables import (
    RevealRefused,
    VariableChanged,
    VariableDiffers,
    VariableError,
    VariableInvalid,
    VariableKeyInvalid,
    VariableNotFound,
)

__all__ = (
    "BucketInvalid",
    "BulkGrown",
    "BulkInvalid",
    "BulkNotFound",
    "BulkOver",
    "CursorInvalid",
    "ExportTooWide",
    "FilterInvalid",
    "ImportInvalid",
    "ImportNotFound",
    "ImportOver",
    "MoveRefused",
    "PatchRefused",
    "PathInvalid",
    "RecordChanged",
    "RecordError",
    "RecordHeld",
    "RecordIdInvalid",
    "RecordInvalid",
    "RecordNotFound",
    "RecordRefused",
    "RecordTooLarge",
    "RevealRefused",
    "SchemaInvalid",
    "VariableChanged",
    "VariableDiffers",
    "VariableError",
    "VariableInvalid",
    "VariableKeyInvalid",
    "VariableNotFound",
)
