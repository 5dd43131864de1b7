from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from director.api import tokens
from director.models import ApiToken

admin.site.site_header = admin.site.site_title = "Director administration"
admin.site.index_title = "Everything that is kept"


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens are made and taken back here; a secret is shown once, in the message after it was made."""

    list_display = ("__str__", "user", "created_at", "last_used_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    raw_id_fields = ("user",)
    fields = ("user", "name", "expires_at", "created_at", "last_used_at")
    readonly_fields = ("created_at", "last_used_at")

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        if not change:
            obj.digest, secret = tokens.new_secret()
            self.message_user(request, f"The token, shown this once: {secret}", messages.WARNING)
        super().save_model(request, obj, form, change)
