"""What must survive: dispatcher and agent are killed in the middle, and nothing is lost, repeated or left behind."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests

from tests.acceptance.conftest import wait_until

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site


def executions(site: Site) -> tuple[Counter[str], Counter[str]]:
    lines = site.run_lines()
    assert not [line for line in lines if line.get("beside")], "two renderers were at work on one item"
    return (
        Counter(line["item"] for line in lines if line["what"] == "begin"),
        Counter(line["item"] for line in lines if line["what"] == "end"),
    )


def begun(site: Site) -> list[dict[str, Any]]:
    """What the renderers themselves wrote when they began: a process that is there may not have come so far."""
    return [line for line in site.run_lines() if line["what"] == "begin"]


def goes_on(site: Site) -> None:
    before = len(executions(site)[1])
    wait_until(lambda: len(executions(site)[1]) > before + 20, "the job goes on")


@pytest.mark.timeout(240)
def test_the_dispatcher_is_killed_three_times_in_a_job_of_500_tasks(site: Site) -> None:
    site.agent(lanes=4)
    site.ready(4)
    job = site.client.submit(site.renderer("sleep", "0.03", range_="1-500")).id
    chance = random.Random(time.time_ns())
    for _ in range(3):
        goes_on(site)
        time.sleep(chance.uniform(0, 0.5))
        site.dispatcher.kill()
        time.sleep(chance.uniform(0, 1.5))
        site.dispatcher.start()
        wait_until(site.answers, "the dispatcher is back")
    site.wait_state(job, "done", timeout=120)
    begun, ended = executions(site)
    assert set(begun) == {str(item) for item in range(1, 501)}
    assert set(begun.values()) == {1}, "every task once"
    assert begun == ended, "renderers that were running were not disturbed"
    attempts = site.client.attempts(job, limit=1000)
    assert Counter(attempt.items for attempt in attempts) == Counter(begun)
    assert {attempt.state for attempt in attempts} == {"done"}


@pytest.mark.timeout(120)
def test_an_agent_that_is_killed_leaves_no_renderer_and_its_tasks_run_again_when_its_lease_is_over(hasty_site: Site) -> None:
    site = hasty_site
    first = site.agent("first", lanes=2)
    site.ready(2)
    job = site.client.submit(site.renderer("sleep", "20", range_="1-2", settings={"task_retry_delay": 0})).id
    wait_until(lambda: len(begun(site)) == 2, "both lanes render")
    old = site.client.attempts(job)
    server = next(one.server for one in site.client.servers())
    first.kill()
    killed = time.time()
    wait_until(lambda: not site.renderers(), "no renderer is left behind", 5)
    site.agent("second", lanes=2)
    site.client.edit(job, {"name": "again"})
    wait_until(lambda: len(begun(site)) == 4, "its tasks run again", 30)
    assert min(line["at"] for line in begun(site)[2:]) > killed + 2, "not before the lease was over"
    boot = {"boot": "0" * 32, "reports": [{"attempt": old[0].id, "kind": "finished", "at": time.time(), "started": killed,
            "outcome": "done", "exit": 0, "signal": None, "reason": None, "retry": True, "done": old[0].items,
            "cpu_seconds": 0, "max_rss": 0, "log_bytes": 0, "commandline": []}]}  # fmt: skip
    token = (site.data / "token").read_text().strip()
    late = requests.post(
        f"{site.url}/api/v1/agents/{server}/report", json=boot, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert late.status_code == 409 or late.json()["refused"]
    assert site.client.job(job).counts.get("done", 0) == 0
    executions(site)
    site.client.abort(job)
    wait_until(lambda: not site.renderers(), "aborted", 15)


@pytest.mark.timeout(120)
def test_an_agent_that_is_started_again_at_once_ends_what_it_left_and_renders_again_without_waiting(site: Site) -> None:
    agent = site.agent(lanes=1)
    site.ready(1)
    job = site.client.submit(site.renderer("family", range_="1")).id
    wait_until(lambda: begun(site) and len(site.renderers()) == 3, "a renderer and its two children")
    hosts = [child for child in psutil.Process(agent.pid).children(recursive=True) if "laneway.engine.host" in child.cmdline()]
    for process in [psutil.Process(agent.pid), *hosts]:
        process.kill()  # the worst case: the hosts cannot clean up either
    assert agent.process is not None
    agent.process.wait(5)
    agent.start()
    wait_until(lambda: len(begun(site)) == 2, "it renders again", 20)
    executions(site)
    site.client.abort(job)
    wait_until(lambda: not site.renderers(), "the children are gone too", 20)


@pytest.mark.timeout(120)
def test_abort_ends_processes_within_seconds_and_leaves_other_jobs_alone(site: Site) -> None:
    site.agent(lanes=2)
    site.ready(2)
    stubborn = site.client.submit(site.renderer("stubborn", range_="1-10", settings={"max_lanes": 1})).id
    other = site.client.submit(site.renderer("sleep", "0.2", range_="101-130", settings={"max_lanes": 1})).id
    wait_until(lambda: any("stubborn" in process.cmdline() for process in site.renderers()), "it runs")
    site.client.abort(stubborn)
    assert site.client.job(stubborn).state == "aborted"
    wait_until(
        lambda: not any("stubborn" in " ".join(process.cmdline()) for process in site.renderers()), "TERM, then KILL", 12
    )
    view = wait_until(lambda: (v := site.client.job(stubborn)).running == 0 and v, "the lane is free")
    assert view.counts["queued"] == 10
    assert site.client.attempts(stubborn)[0].state == "stopped"
    assert site.wait_state(other, "done").counts["done"] == 30


@pytest.mark.timeout(120)
def test_the_agent_renders_on_while_the_dispatcher_is_away_and_reports_afterwards(site: Site) -> None:
    site.agent(lanes=2)
    site.ready(2)
    job = site.client.submit(site.renderer("sleep", "2", range_="1-2")).id
    wait_until(lambda: len(begun(site)) == 2, "both lanes render")
    site.dispatcher.kill()
    wait_until(lambda: sum(executions(site)[1].values()) == 2, "they end while nobody listens")
    site.dispatcher.start()
    wait_until(site.answers, "the dispatcher is back")
    site.wait_state(job, "done", timeout=20)
    assert set(executions(site)[0].values()) == {1}
