"""Heartbeats: that the worker runs and that beat publishes is seen in two keys, which the supervisors read.

`uc:beat:worker` is written by the worker's own heartbeat, `uc:beat:beat` when beat publishes a task; both
hold the unix time as text and expire after 20 s."""

import time
from typing import Any

from celery.signals import beat_init, before_task_publish, heartbeat_sent, worker_ready

from ucplatform.celery import app
from ucplatform.notify import adapter

LIFETIME_S = 20


def beat_once(role: str) -> None:
    """Say that `role` is alive now."""
    adapter.write(f"uc:beat:{role}", f"{time.time():.3f}", LIFETIME_S)


@worker_ready.connect
@heartbeat_sent.connect
def worker_is_alive(**_: Any) -> None:
    """Celery's worker sends a heartbeat every two seconds while its main loop turns."""
    beat_once("worker")


def beat_published(**_: Any) -> None:
    """Connected in the beat process only: a schedule entry was sent."""
    beat_once("beat")


@beat_init.connect
def watch_beat(**_: Any) -> None:
    """In the beat process, count every published task as a sign of life."""
    before_task_publish.connect(beat_published)
    beat_once("beat")


@app.task(name="ucplatform.notify.tasks.tick")
def tick() -> None:
    """Gives beat something to publish every five seconds, and shows that a worker's pool takes tasks."""
    beat_once("worker")
