"""Every path of the web process. Caddy takes /sip and /static/ before it."""

from allauth.account.decorators import secure_admin_login
from allauth.account.views import logout
from django.contrib import admin
from django.urls import include, path, re_path

from ucplatform.web import bans, health, metrics, views
from ucplatform.web.api import api

# The administration signs in like everyone else: same lock-out, same second factor.
admin.site.login = secure_admin_login(admin.site.login)
admin.site.index_template = "web/admin_index.html"

urlpatterns = [
    path("healthz", health.healthz),
    path("healthz/live", health.live),
    path("metrics", metrics.metrics),
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.urls")),
    path("admin/logout/", logout),  # through allauth too: its sign-out closes the person's lines
    path("admin/bans/", admin.site.admin_view(bans.page), name="bans"),
    path("admin/", admin.site.urls),
    re_path(r"^(?!(?:api|accounts|admin|static|sip|events)(?:/|$))[a-z0-9/_-]*$", views.shell, name="shell"),
]
