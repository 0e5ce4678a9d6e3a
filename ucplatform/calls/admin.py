"""Calls in the administration: to look at, never to change."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ucplatform.calls.models import Call


@admin.register(Call)
class CallAdmin(admin.ModelAdmin):
    """Read only."""

    list_display = ("created", "caller_number", "dialled", "callee_number", "result", "duration_s", "sound")
    list_filter = ("result", "sound")
    search_fields = ("search", "id")
    date_hierarchy = "created"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
