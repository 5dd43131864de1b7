"""The admin of what a workflow knows. Whatever is changed here goes by the services, and so into the history."""

from records.admin import history, records, variables

__all__ = ("history", "records", "variables")
