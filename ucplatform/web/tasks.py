"""House-keeping of the web's own rows."""

from django.core.management import call_command

from ucplatform.celery import app


@app.task(name="ucplatform.web.tasks.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have expired."""
    call_command("clearsessions")
