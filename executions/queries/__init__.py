"""Read models of the execution pages and their API."""

from executions.filters import ExecutionFilter
from executions.queries.causes import FailureGroup, causes_of, tried_of_workflow
from executions.queries.frames import FrameFilter, FrameRow, frames_by_id, frames_page
from executions.queries.history import History, Point, history_of
from executions.queries.lists import (
    HomeRuns,
    LastDay,
    Run,
    executions_page,
    home_runs,
    newest_runs,
    open_executions,
    with_records,
)
from executions.queries.log import LogEntry, log_entries, log_page
from executions.queries.progress import Progress, StepProgress, progress
from executions.queries.stories import (
    Story,
    attempts_of,
    get_step_for,
    record_story,
    walk_of,
)
from executions.queries.timeline import Timeline, journal_page, timeline
from executions.queries.walks import runs_of, walking

__all__ = [
    "ExecutionFilter",
    "FailureGroup",
    "FrameFilter",
    "FrameRow",
    "History",
    "HomeRuns",
    "LastDay",
    "LogEntry",
    "Point",
    "Progress",
    "Run",
    "StepProgress",
    "Story",
    "Timeline",
    "attempts_of",
    "causes_of",
    "executions_page",
    "frames_by_id",
    "frames_page",
    "get_step_for",
    "history_of",
    "home_runs",
    "journal_page",
    "log_entries",
    "log_page",
    "newest_runs",
    "open_executions",
    "progress",
    "record_story",
    "runs_of",
    "timeline",
    "tried_of_workflow",
    "walk_of",
    "walking",
    "with_records",
]
