"""The processes of a running Director, as commands: one web, any number of workers, one beat."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def web(host: str, port: int) -> list[str]:
    """Return the command of the web process: HTTP and websockets on one port."""
    options = ["--host", host, "--port", str(port), "--lifespan", "off", "--ws", "websockets-sansio"]
    quiet = ["--no-access-log", "--no-use-colors", "--timeout-graceful-shutdown", "3"]
    return [sys.executable, "-m", "uvicorn", "director.asgi:application", *options, *quiet]


def worker(name: str) -> list[str]:
    """Return the command of one worker; its name must be unique on this machine.

    The solo pool: a worker walks one slice at a time on its own event loop, so a second process per worker would only
    cost memory. More work at once is more workers.
    """
    options = ["--pool", "solo", "--hostname", f"{name}@%h", "--loglevel", "INFO"]
    return [*_celery(), "worker", *options, "--without-gossip", "--without-mingle", "--without-heartbeat"]


def beat() -> list[str]:
    """Return the command of the clock. Its schedule is code, so it remembers nothing between starts."""
    return [*_celery(), "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", "", "--loglevel", "INFO"]


def die_with_parent() -> None:
    """Have the kernel end this process when its parent is killed, so that none is left behind. Linux only.

    To be run in the child, before its program is: `Popen(preexec_fn=die_with_parent)`.
    """
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "director", "--quiet"]
