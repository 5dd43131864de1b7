"""The test session's own data folder and environment."""

import os
import shutil
import tempfile
from pathlib import Path

from director import embedded

FOREIGN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DIRECTOR_")  # a developer's own servers are none of ours


def prepare_environment() -> Path:
    """Return the session's data folder; whatever Django settings are read from now on point at it."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="director-test-"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another account that must get through
    data = folder / "data"
    Path(data, "static").mkdir(parents=True)  # nothing is collected: files are served from where they lie
    data.chmod(0o711)
    os.environ["DIRECTOR_DATA_DIR"] = str(data)
    return data


def clean_up() -> None:
    """Remove the data folder. Called by pytest, for the process of a parallel session ends without its exit handlers."""
    data = embedded.data_dir()
    embedded.leave(data)  # a session that was interrupted has not yet
    shutil.rmtree(data.parent, ignore_errors=True)
