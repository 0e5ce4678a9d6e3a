"""What an administrator may change while the house runs. One line here is one setting; rows hold only what
differs from the default."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

Value = int | str


@dataclass(frozen=True, slots=True)
class Option:
    """A setting: its default (whose type is its type), its bounds (of the number, or of the text's
    length)."""

    default: Value
    minimum: int
    maximum: int
    help: str

    def parse(self, value: object) -> Value:
        """The value in its own type. Raises ValidationError with a sentence for the person who typed it."""
        if isinstance(self.default, str):
            text = str(value).strip()
            if not self.minimum <= len(text) <= self.maximum or not text.isprintable():
                raise ValidationError(_("Between %d and %d characters.") % (self.minimum, self.maximum))
            return text
        try:
            number = int(str(value).strip())
        except ValueError:
            raise ValidationError(_("A whole number, for example %d.") % self.default) from None
        if not self.minimum <= number <= self.maximum:
            raise ValidationError(_("Between %d and %d.") % (self.minimum, self.maximum))
        return number


OPTIONS: dict[str, Option] = {
    "company": Option("", 0, 60, gettext_lazy("Name shown at sign-in and at the top of the page.")),
    "ring_seconds": Option(30, 5, 300, gettext_lazy("How long a call rings before nobody answered.")),
    "session_expires": Option(
        1800, 90, 86400, gettext_lazy("How often both sides of a call must show that they live (RFC 4028).")
    ),
    "grace_seconds": Option(8, 0, 60, gettext_lazy("How long a call waits for a page that reloads.")),
    "offer_sha256": Option(
        0,
        0,
        1,
        gettext_lazy("1: phones are also offered SHA-256 sign-in; some older ones then fail to register."),
    ),
    "silent_to_strangers": Option(
        0,
        0,
        1,
        gettext_lazy(
            "1: scanners, and requests for other domains than ours, get no answer at all. Phones must then "
            "use the SIP domain or this machine's address as their server."
        ),
    ),
    "trace_retention_hours": Option(24, 1, 720, gettext_lazy("How long the messages of a call are kept.")),
}
