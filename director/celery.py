"""The Celery app: tasks are found in each app's `tasks.py`; messages carry ids, PostgreSQL holds the truth."""

import gc
import os
import warnings
from typing import Any

from celery import Celery, signals

from director import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "director.settings")
# System checks import every page and endpoint, which a worker never serves; `manage.py up` and `migrate` run them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

# Messages are JSON, so a worker run as root, as in most containers, is no worse off than any other program.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

app = Celery("director")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.celeryd_init.connect
@signals.beat_init.connect
def join_embedded_stack(**_: Any) -> None:
    """Workers and beat started by hand bring the embedded servers up as `manage.py` does."""
    embedded.join_unless_configured()


@signals.worker_ready.connect
def collect_garbage_seldom(**_: Any) -> None:
    """What a slice has under way are tens of thousands of objects that all live until their commit: looking through them
    for cycles after every 700 new ones, as Python does by default, takes a third of a worker's time and finds none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
