"""The Celery application. Entry points and task modules import `app` from here: a `shared_task` without it
would talk to a default broker that does not exist."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ucplatform.settings")

from django.conf import settings

# redis-py says unix://path, kombu says redis+socket://path.
BROKER_URL = settings.REDIS_URL.replace("unix://", "redis+socket://", 1)

app = Celery("ucplatform", broker=BROKER_URL, set_as_current=True)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # tasks are idempotent: a killed worker's task runs again
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 600, "socket_timeout": 5, "socket_connect_timeout": 5},
    timezone=settings.TIME_ZONE,
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
    beat_max_loop_interval=5,
    beat_schedule={
        "tick": {"task": "ucplatform.notify.tasks.tick", "schedule": 5.0, "options": {"expires": 10}},
        "rate-calls": {
            "task": "ucplatform.calls.tasks.rate_calls",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "clear-sessions": {"task": "ucplatform.web.tasks.clear_sessions", "schedule": 24 * 3600.0},
    },
)
app.autodiscover_tasks(["ucplatform.calls", "ucplatform.notify", "ucplatform.web"])
