"""What this house changes in allauth: nobody signs up, mails name only our own hosts, and the end of a
session reaches the phone lines that were opened with it."""

from typing import Any, ClassVar
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ucplatform.directory import actions, sessions
from ucplatform.directory.models import User
from ucplatform.web import hosts

# One sentence for both, so that it does not tell which accounts exist.
WRONG_SIGN_IN = _("The user name or the password is not right.")


def account_name(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """What axes counts failures for: the account, whether its user name or its e-mail address was typed."""
    given = credentials or (request.POST if request else {})
    typed = str(given.get("username") or given.get("email") or given.get("login") or "").strip()
    match = Q(username__iexact=typed) | Q(email__iexact=typed)
    known = User.objects.filter(match).values_list("username", flat=True).first() if typed else None
    return (known or typed).lower()[:150]


class AccountAdapter(DefaultAccountAdapter):
    """allauth calls these; `self.request` is the request at hand."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": WRONG_SIGN_IN,
        "email_password_mismatch": WRONG_SIGN_IN,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def logout(self, request: HttpRequest) -> None:
        tag = sessions.tag_of(request.session)
        super().logout(request)
        sessions.session_ended(tag)

    def set_password(self, user: User, password: str) -> None:
        """A changed password ends every other session of the person, and their lines with them."""
        mine = self.request.user.is_authenticated and self.request.user.pk == user.pk
        actions.change_password(user, password, keep_session=self.request.session if mine else None)

    def format_email_subject(self, subject: str) -> str:
        return subject

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return hosts.mail_origin(self.request) + path.replace("UID-KEY", quote(key))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        super().send_mail(template_prefix, email, {"company": actions.option("company"), **context})
