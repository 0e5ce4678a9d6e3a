"""Users, extensions, and the rows an administrator changes."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ucplatform.pbx.ports import SRTP_OFF, SRTP_PREFERRED, SRTP_REQUIRED

number_validator = RegexValidator(r"^[0-9]{1,15}\Z", _("A number has one to fifteen digits."))


class User(AbstractUser):
    """A person who signs in on the web. `is_staff` makes an administrator."""

    first_name = None  # one `name`: the split into first and last fits few languages
    last_name = None
    name = models.CharField(_("name"), max_length=80, blank=True)
    language = models.CharField(
        _("language"),
        max_length=8,
        blank=True,
        choices=[("", _("as the browser asks")), ("en", "English"), ("pt-BR", "Português (Brasil)")],
    )

    def __str__(self) -> str:
        return self.name or self.username

    def get_full_name(self) -> str:
        return self.name or self.username

    def get_short_name(self) -> str:
        return self.get_full_name()

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.is_staff


class Extension(models.Model):
    """A number that can be called and whose devices sign in by SIP digest. The secret itself is never stored:
    only H(number:realm:secret), lower-case hex, for each algorithm (RFC 7616 3.4.2, RFC 8760)."""

    number = models.CharField(_("number"), max_length=15, unique=True, validators=[number_validator])
    name = models.CharField(_("name"), max_length=80, blank=True)
    user = models.OneToOneField(
        User, models.SET_NULL, null=True, blank=True, related_name="extension", verbose_name=_("user")
    )
    ha1_md5 = models.CharField(max_length=32, blank=True, editable=False)
    ha1_sha256 = models.CharField(max_length=64, blank=True, editable=False)
    ha1_sha512_256 = models.CharField(max_length=64, blank=True, editable=False)
    pin_hash = models.CharField(max_length=128, blank=True, editable=False)
    srtp = models.CharField(
        _("encrypted sound of telephones"),
        max_length=10,
        default=SRTP_OFF,
        choices=[
            (SRTP_OFF, _("not offered")),
            (SRTP_PREFERRED, _("where the telephone takes it")),
            (SRTP_REQUIRED, _("required")),
        ],
        help_text=_(
            "SRTP with keys in the call's description (SDES). Use TLS, or the keys can be read on the way."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("extension")
        verbose_name_plural = _("extensions")

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()


class Setting(models.Model):
    """One value that differs from its default in `directory.options.OPTIONS`."""

    key = models.CharField(_("setting"), max_length=40, primary_key=True)
    value = models.JSONField(_("value"))

    class Meta:
        ordering = ["key"]
        verbose_name = _("setting")
        verbose_name_plural = _("settings")

    def __str__(self) -> str:
        return self.key


class Revision(models.Model):
    """A single row that counts writes to this app, so that an edge sees by one number that it is out of
    date."""

    number = models.PositiveBigIntegerField(default=0)
