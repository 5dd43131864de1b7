from django.apps import AppConfig


class DirectorConfig(AppConfig):
    name = "director"

    def ready(self) -> None:
        """Make the Celery app current, so that shared tasks bind to it, and register the system checks."""
        from director import celery, checks  # noqa: F401
