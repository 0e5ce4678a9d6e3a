"""One row per call."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Result(models.TextChoices):
    """How a call ended, in one word of the record."""

    ANSWERED = "answered", _("answered")
    MISSED = "missed", _("missed")
    BUSY = "busy", _("busy")
    DECLINED = "declined", _("declined")
    CANCELLED = "cancelled", _("cancelled")
    UNAVAILABLE = "unavailable", _("unavailable")
    NOT_FOUND = "not_found", _("number unknown")
    FORBIDDEN = "forbidden", _("not allowed")
    FAILED = "failed", _("failed")


class Sound(models.TextChoices):
    """What the parties heard, worst leg first."""

    CLEAR = "clear", _("clear")
    FAIR = "fair", _("fair")
    POOR = "poor", _("poor")
    NONE = "none", _("no sound")


class Call(models.Model):
    """A finished call as the edge wrote it down. Users are those who held the extensions when the call came
    in, so a number given to someone else does not show them the calls of before."""

    id = models.CharField(max_length=80, primary_key=True)
    edge = models.CharField(max_length=16)
    caller = models.JSONField(default=dict)  # number name extension device address user_agent
    callee = models.JSONField(null=True)
    caller_number = models.CharField(_("caller"), max_length=80, blank=True)
    callee_number = models.CharField(_("callee"), max_length=80, blank=True)
    caller_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="calls_made", editable=False
    )
    callee_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="calls_received", editable=False
    )
    search = models.TextField(blank=True, editable=False)  # names and numbers, lower case
    dialled = models.CharField(_("dialled"), max_length=80, blank=True)
    created = models.DateTimeField(_("created"))
    rang = models.DateTimeField(null=True)
    answered = models.DateTimeField(null=True)
    ended = models.DateTimeField()
    duration_s = models.FloatField(_("seconds"), default=0)  # answered to ended; 0 if never answered
    result = models.CharField(_("result"), max_length=16, choices=Result.choices)
    status = models.PositiveSmallIntegerField(null=True)
    cause = models.CharField(_("cause"), max_length=40, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    hung_up_by = models.CharField(max_length=8, blank=True)
    legs = models.JSONField(default=list)
    sound = models.CharField(_("sound"), max_length=8, choices=Sound.choices, blank=True)
    rated = models.BooleanField(default=False)

    class Meta:
        ordering = ["-created", "-id"]
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        indexes = [
            models.Index(fields=["created", "id"], name="call_created"),
            models.Index(fields=["caller_user", "created"], name="call_by_caller"),
            models.Index(fields=["callee_user", "created"], name="call_by_callee"),
            models.Index(fields=["created"], name="call_unrated", condition=models.Q(rated=False)),
        ]

    def __str__(self) -> str:
        return f"{self.caller_number} → {self.dialled}"
