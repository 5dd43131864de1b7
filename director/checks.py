"""System checks: what `manage.py check` says about a deployment before it goes wrong."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register()
def front_end_files_are_there(**_: Any) -> list[CheckMessage]:
    """The pages need the vendored libraries, which are not in the repository."""
    if (settings.BASE_DIR / "static/vendor/htmx.min.js").exists():
        return []
    hint = "Run `make setup`."
    return [Warning("The front-end libraries are missing from static/vendor.", hint=hint, id="director.W001")]


@register(Tags.security, deploy=True)
def public_address_is_https(**_: Any) -> list[CheckMessage]:
    """Cookies are only marked secure when the public address says https."""
    if settings.PUBLIC_URL.startswith("https://"):
        return []
    hint = "Put Director behind a proxy that speaks https and set DIRECTOR_URL=https://your.host."
    return [Warning(f"People reach Director at {settings.PUBLIC_URL}, unencrypted.", hint=hint, id="director.W002")]


@register()
def file_roots_are_folders(**_: Any) -> list[CheckMessage]:
    """Steps that read files are confined to these folders; a misspelt one refuses every file."""
    configured = settings.DIRECTOR_FILE_ROOTS
    missing = [str(path) for path in configured if path != settings.UPLOADS_DIR and not path.is_dir()]
    hint = "Create it, or correct DIRECTOR_FILE_ROOTS."
    return [Warning(f"The file root {path} is not a folder.", hint=hint, id="director.W003") for path in missing]
