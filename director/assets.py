"""Style sheets, scripts and fonts under names that carry a hash of their content, so that browsers keep them for good."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedAssets(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Names with hashes once `collectstatic` has run (`manage.py up` does), plain ones where it has not."""

    support_js_module_import_aggregation = True  # our modules import one another: those names too have to be hashed

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
