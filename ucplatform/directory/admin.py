"""Administration of people, numbers and settings. Every save goes through `actions`, so edges hear of it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.html import format_html_join, mark_safe
from django.utils.translation import gettext_lazy as _

from ucplatform.directory import actions, sessions
from ucplatform.directory.models import Extension, Setting, User
from ucplatform.directory.options import OPTIONS
from ucplatform.notify import actions as notify

admin.site.site_title = admin.site.site_header = _("Telephone administration")
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Django's user pages with one name and a language."""

    list_display = ("username", "name", "extension", "is_staff", "is_active", "last_login")
    search_fields = ("username", "name", "email")
    list_select_related = ("extension",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("name", "email", "language")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "name", "usable_password", "password1", "password2"),
            },
        ),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        actions.person_changed(obj, password_changed="password" in form.changed_data)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            keep = request.session if str(request.user.pk) == id else None
            sessions.end_sessions(int(id), keep=keep)
        return response

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        actions.remove_user(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for user in queryset:
            actions.remove_user(user)


class ExtensionForm(forms.ModelForm):
    """Secret and PIN are typed in and never shown again."""

    secret = forms.CharField(
        label=_("Secret"),
        required=False,
        strip=True,
        max_length=150,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("What a phone signs in with. Leave empty to keep the present one."),
    )
    pin = forms.RegexField(
        r"^[0-9]{4,12}\Z",
        label=_("PIN"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "inputmode": "numeric"}),
        help_text=_("Four to twelve digits. Leave empty to keep the present one."),
    )

    class Meta:
        model = Extension
        fields = ("number", "name", "user", "srtp", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["srtp"].required = False  # who leaves it out leaves it as it is


@admin.register(Extension)
class ExtensionAdmin(admin.ModelAdmin):
    """Numbers; a number cannot change once it exists, its hashes contain it."""

    form = ExtensionForm
    list_display = ("number", "name", "user", "enabled")
    list_filter = ("enabled",)
    list_select_related = ("user",)
    search_fields = ("number", "name", "user__username", "user__name")
    autocomplete_fields = ("user",)

    def get_readonly_fields(self, request: HttpRequest, obj: Extension | None = None) -> tuple[str, ...]:
        return ("number", "devices") if obj else ()

    @admin.display(description=_("Devices"))
    def devices(self, row: Extension) -> str:
        """What is registered now, and what the edge has noticed of it (docs/operations.md has the words)."""
        lines = [
            (
                device["user_agent"] or device["contact"],
                "{}:{}".format(*device["flow"]["remote"]),
                device["flow"]["transport"].upper(),
                ", ".join(device["noticed"]),
            )
            for device in notify.devices_of(row.number)
        ]
        return format_html_join(mark_safe("<br>"), "{} – {} {} {}", lines) or "–"

    def save_model(self, request: HttpRequest, obj: Extension, form: ExtensionForm, change: bool) -> None:
        secret, pin = form.cleaned_data["secret"], form.cleaned_data["pin"]
        if change:
            actions.change_extension(obj, secret=secret, pin=pin)
        else:
            new = actions.add_extension(obj.number, name=obj.name, user=obj.user, secret=secret, pin=pin)
            obj.pk = new.pk
            actions.change_extension(new, enabled=obj.enabled, srtp=obj.srtp)

    def delete_model(self, request: HttpRequest, obj: Extension) -> None:
        actions.remove_extension(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for extension in queryset:
            actions.remove_extension(extension)


class SettingForm(forms.ModelForm):
    """One value, checked by the option's own rule."""

    key = forms.ChoiceField(label=_("Setting"), choices=[(key, key) for key in OPTIONS])
    value = forms.CharField(label=_("Value"), required=False)

    class Meta:
        model = Setting
        fields = ("key", "value")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["key"].disabled = True
            self.fields["value"].help_text = OPTIONS[self.instance.pk].help

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if "key" in data:
            try:
                data["value"] = OPTIONS[data["key"]].parse(data.get("value", ""))
            except forms.ValidationError as error:
                self.add_error("value", error)
        return data


@admin.register(Setting)
class SettingAdmin(admin.ModelAdmin):
    """What differs from the defaults; deleting a row brings the default back."""

    form = SettingForm
    list_display = ("key", "value", "meaning")

    @admin.display(description=_("meaning"))
    def meaning(self, row: Setting) -> str:
        return str(OPTIONS[row.pk].help) if row.pk in OPTIONS else ""

    def save_model(self, request: HttpRequest, obj: Setting, form: SettingForm, change: bool) -> None:
        actions.set_option(obj.key, obj.value)

    def delete_model(self, request: HttpRequest, obj: Setting) -> None:
        actions.reset_option(obj.key)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in queryset:
            actions.reset_option(row.key)
