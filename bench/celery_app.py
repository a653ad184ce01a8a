"""The Celery application of the dispatch benchmark; its worker imports this module."""

from __future__ import annotations

import os
import subprocess

from celery import Celery

url = os.environ["LANEWAY_BENCH_REDIS"]
app = Celery("bench", broker=url, backend=url)
app.conf.broker_connection_retry_on_startup = True


@app.task
def run_true_task(item: int) -> int:
    """One process."""
    return subprocess.run(["/bin/true", str(item)], check=True).returncode
