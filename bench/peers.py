"""The systems that Laneway's dispatch is measured against, each doing what its users would do for one process per task."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.harness import ROOT, scratch, until
from bench.record import say

Measure = Callable[[], float]
TRUE = "/bin/true"


def xargs(tasks: int, width: int) -> Measure:
    """`xargs -P`: nothing is kept, nothing is reported; the floor for starting processes side by side."""
    lines = "".join(f"{item}\n" for item in range(1, tasks + 1)).encode()

    def measure() -> float:
        began = time.perf_counter()
        subprocess.run(["xargs", f"-P{width}", "-n1", TRUE], input=lines, check=True)
        return time.perf_counter() - began

    return measure


def run_true(item: int) -> int:
    """A task for Dask."""
    return subprocess.run([TRUE, str(item)], check=True).returncode


@contextlib.contextmanager
def dask(tasks: int, *, workers: int, threads: int) -> Iterator[Measure]:
    """Dask distributed with its workers started and warm: `client.map` of `subprocess.run`, then `gather`."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=threads, processes=True, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):

        def measure() -> float:
            began = time.perf_counter()
            if any(client.gather(client.map(run_true, range(tasks), pure=False))):
                raise RuntimeError("a Dask task failed")
            return time.perf_counter() - began

        yield measure


@contextlib.contextmanager
def celery(tasks: int, processes: int) -> Iterator[Measure | None]:
    """Celery with a Redis broker and result backend, prefork; None where no Redis can be started."""
    server = shutil.which("redis-server")
    if server is None:
        say("no redis-server here: Celery is left out")
        yield None
        return
    folder = scratch("redis")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"redis://127.0.0.1:{port}/0"
        redis = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        stack.callback(_end, _start(redis))
        os.environ["LANEWAY_BENCH_REDIS"] = url
        worker = ["-m", "celery", "-A", "bench.celery_app", "worker", "-c", str(processes), "-P", "prefork", "-l", "error"]
        stack.callback(_end, _start([sys.executable, *worker]))
        from celery import group

        from bench.celery_app import app, run_true_task

        until(lambda: _answers(app), 60, "the Celery worker answers", every=0.2)

        def measure() -> float:
            began = time.perf_counter()
            results = group(run_true_task.s(item) for item in range(tasks)).apply_async()
            if any(results.get(timeout=600)):
                raise RuntimeError("a Celery task failed")
            took = time.perf_counter() - began
            results.forget()
            return took

        yield measure


def _answers(app: Any) -> bool:
    try:
        return bool(app.control.ping(timeout=0.5))
    except OSError:
        return False


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "C_FORCE_ROOT": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
