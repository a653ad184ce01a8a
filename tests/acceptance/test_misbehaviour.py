"""Renderers that misbehave, full disks and hostile payloads: each ends in a clear state with the reason, and the lane goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.acceptance.conftest import wait_until

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def ends(site: Site, payload: dict[str, Any], state: str) -> str:
    """Runs a job to `state`, shows that the lane takes another one, and gives the reason."""
    job = site.client.submit(payload).id
    view = site.wait_state(job, "done", "failed", timeout=90)
    assert view.state == state, view.reason
    after = site.client.submit(site.renderer("sleep", "0", range_="1")).id
    site.wait_state(after, "done")
    return str(view.reason)


def test_exit_0_without_the_file_is_a_failure(site: Site) -> None:
    site.agent(lanes=1)
    out = site.work / "frame.####.png"
    reason = ends(site, site.renderer("sleep", "0", range_="7", output=str(out)), "failed")
    assert "frame.0007.png" in reason


def test_a_file_from_before_does_not_count(site: Site) -> None:
    site.agent(lanes=1)
    (site.work / "frame.0007.png").write_bytes(b"old")
    reason = ends(site, site.renderer("sleep", "0", range_="7", output=str(site.work / "frame.####.png")), "failed")
    assert "frame.0007.png" in reason


def test_an_empty_file_does_not_count(site: Site) -> None:
    site.agent(lanes=1)
    out = str(site.work / "frame.0007.png")
    reason = ends(site, site.renderer("write", out, "0", range_="7", output=str(site.work / "frame.####.png")), "failed")
    assert "empty" in reason


def test_a_bad_exit_code_is_named(site: Site) -> None:
    site.agent(lanes=1)
    assert "3" in ends(site, site.renderer("exit", "3", range_="1"), "failed")


def test_a_command_that_is_not_there_is_named(site: Site) -> None:
    site.agent(lanes=1)
    reason = ends(site, {"engine": "command", "range": "1", "parameters": {"command": ["/no/such/renderer"]}}, "failed")
    assert "/no/such/renderer" in reason


def test_a_timeout_ends_a_stubborn_renderer(site: Site) -> None:
    site.agent(lanes=1)
    reason = ends(site, site.renderer("stubborn", range_="1", settings={"task_timeout": 1}), "failed")
    assert "1 s" in reason or "time" in reason
    wait_until(lambda: not site.renderers(), "it is gone")


def test_200_megabytes_of_output_are_kept_in_bounds(site: Site) -> None:
    agent = site.agent(lanes=1)
    ends(site, site.renderer("print", "200", range_="1"), "done")
    kept = sum(path.stat().st_size for path in (site.folder / "agent").rglob("*.log"))
    assert 0 < kept < 120 * 1024 * 1024
    assert agent.process is not None
    assert agent.process.poll() is None


def test_output_that_is_not_text(site: Site) -> None:
    site.agent(lanes=1)
    ends(site, site.renderer("bytes", range_="1"), "done")
    log = site.client.log(1)
    assert b"\xff\xfe" in log.data


def test_a_full_disk_for_the_output_is_named(site: Site, small_disk: Path) -> None:
    site.agent(lanes=1)
    out = small_disk / "frame.####.exr"
    reason = ends(site, site.renderer("write", str(small_disk / "frame.0001.exr"), "5", range_="1", output=str(out)), "failed")
    assert "full" in reason or "space" in reason.lower(), reason


def test_a_full_disk_for_the_log_does_not_fail_a_good_frame(site: Site, small_disk: Path) -> None:
    site.agent(lanes=1, data=small_disk / "agent")
    ends(site, site.renderer("print", "10", range_="1"), "done")


HOSTILE: list[tuple[str, bytes, int, str]] = [
    ("not JSON", b"{", 400, ""),
    ("not UTF-8", b'{"engine": "\xff"}', 400, ""),
    ("not an object", b"[]", 422, "body"),
    ("unknown key", b'{"engine": "command", "rnage": "1"}', 422, "rnage"),
    ("unknown engine", b'{"engine": "nook"}', 422, "engine"),
    ("wrong type", b'{"engine": "command", "priority": "high"}', 422, "priority"),
    ("absurd range", b'{"engine": "command", "range": "1-99999999999999999999"}', 422, "range"),
    ("missing input", b'{"engine": "blender", "range": "1"}', 422, "input"),
    ("input that is not there", b'{"engine": "blender", "range": "1", "input": "/no/such/scene.blend"}', 422, "input"),
    ("path trick", b'{"engine": "blender", "range": "1", "input": "/tmp/../etc/passwd"}', 422, "input"),
    ("deep nesting", b'{"engine": "command", "metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", 400, ""),
    ("10 MB", b'{"engine": "command", "description": "' + b"x" * 10_000_000 + b'"}', 413, ""),
]


def test_hostile_payloads_are_refused_with_field_value_and_fix(site: Site) -> None:
    token = (site.data / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for name, body, status, field in HOSTILE:
        answer = requests.post(f"{site.url}/api/v1/jobs", data=body, headers=headers, timeout=20)
        assert answer.status_code == status, (name, answer.text[:300])
        error = answer.json()["error"]
        assert error["message"], name
        if field:
            assert error["field"] == field, (name, error)
    assert site.client.jobs().total == 0


def test_without_the_token_nothing_is_told(site: Site) -> None:
    for headers in {}, {"Authorization": "Bearer wrong"}:
        answer = requests.get(f"{site.url}/api/v1/jobs", headers=headers, timeout=5)
        assert answer.status_code == 401
        assert answer.json()["error"]["fix"]
    assert (site.data / "token").stat().st_mode & 0o777 == 0o600
