"""Every path of the web process."""

urlpatterns: list = []
