"""Paths given by people stay inside the folders that are open to workflows."""

import os
from pathlib import Path

import pytest

from workflows.readers import resolve_path
from workflows.readers.errors import SourceNotAllowed, SourceNotFound, SourceUnreadable


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    for folder in ("samples", "uploads", "private"):
        (tmp_path / folder).mkdir()
    (tmp_path / "samples" / "inbox.mbox").write_text("")
    (tmp_path / "uploads" / "leads.csv").write_text("")
    (tmp_path / "private" / "secret.csv").write_text("")
    return [tmp_path / "samples", tmp_path / "uploads"]


def test_a_path_is_found_by_its_folder_s_name_or_without_it_or_in_full(roots):
    inbox = roots[0] / "inbox.mbox"

    assert resolve_path("samples/inbox.mbox", roots) == inbox
    assert resolve_path("inbox.mbox", roots) == inbox
    assert resolve_path(str(inbox), roots) == inbox
    assert resolve_path("leads.csv", roots) == roots[1] / "leads.csv"
    assert resolve_path("uploads", roots) == roots[1]


def test_a_path_cannot_leave_the_open_folders(roots, tmp_path):
    (roots[0] / "way_out").symlink_to(tmp_path / "private")
    (roots[0] / "direct.csv").symlink_to(tmp_path / "private" / "secret.csv")
    outside = ["../private/secret.csv", "samples/../../private/secret.csv", str(tmp_path / "private" / "secret.csv")]

    for path in [*outside, "way_out/secret.csv", "direct.csv", "/etc/passwd", "/dev/zero"]:
        with pytest.raises(SourceNotAllowed) as refusal:
            resolve_path(path, roots)
        assert path in str(refusal.value)
        assert str(roots[0]) in str(refusal.value)


def test_a_misspelt_name_is_answered_with_the_nearest_one(roots):
    with pytest.raises(SourceNotFound) as refusal:
        resolve_path("samples/imbox.mbox", roots)

    assert refusal.value.nearest == "inbox.mbox"
    assert "Did you mean 'inbox.mbox'?" in refusal.value.message


def test_what_would_block_or_break_the_reading_is_refused(roots):
    os.mkfifo(roots[0] / "pipe")
    (roots[0] / "circle").symlink_to("circle")

    for path in ["pipe", "circle", "nul\0byte", "x" * 5000]:
        with pytest.raises(SourceUnreadable):
            resolve_path(path, roots)


def test_without_open_folders_nothing_can_be_read(roots):
    with pytest.raises(SourceNotAllowed, match="DIRECTOR_FILE_ROOTS"):
        resolve_path(str(roots[0] / "inbox.mbox"), [])
