"""The queue's side of sweeps: a message says "take a chunk", and rows say which.

A worker that has done a chunk sends the next message itself, so that there are never more messages than workers could
be busy with, and chunks of several users and backtests take turns.
"""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from backtests.jobs.queue import send
from backtests.models import Sweep, SweepChunk

AT_ONCE = 32  # messages for one sweep at its start: as many workers can be at it


def enqueue(messages: int = 1) -> bool:
    """Ask so many workers to take a chunk. False when the broker does not answer: `reap` asks again."""
    return all(send(work, "a chunk of a sweep", queue=settings.SWEEP_QUEUE) for _ in range(messages))


@shared_task(name="sweeps.work", ignore_result=True)
def work() -> None:
    """Run the chunk whose turn it is, and ask for the next. Delivered too often, it finds nothing to claim."""
    from backtests.sweeps import job

    if job.run_next():
        enqueue()


@shared_task(name="sweeps.reap", ignore_result=True, expires=30)
def reap() -> None:
    """Every few seconds: free what dead workers held, and ask again where messages were lost.

    While chunks are being run their workers ask for the next; what is missing is asked for only when fewer are running
    than could be.
    """
    from backtests.sweeps import claims

    claims.release_stale()
    queued = SweepChunk.objects.filter(state=SweepChunk.State.QUEUED, sweep__state__in=Sweep.ACTIVE)
    waiting = queued.count()
    if waiting and not SweepChunk.objects.filter(state=SweepChunk.State.RUNNING).exists():
        enqueue(min(waiting, AT_ONCE))
