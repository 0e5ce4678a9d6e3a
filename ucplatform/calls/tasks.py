"""Work on call rows that nobody waits for."""

from ucplatform.calls import actions
from ucplatform.celery import app


@app.task(name="ucplatform.calls.tasks.rate_calls")
def rate_calls() -> int:
    """Rate everything that is not rated. Hinted by new records, swept by beat; idempotent."""
    total = 0
    while rated := actions.rate_pending():
        total += rated
    return total
