"""The environment of a renderer."""

from __future__ import annotations

import os

import pytest

from laneway.engine import environment
from laneway.model import Json


def test_nothing_of_laneways_python_and_no_secret_reaches_a_renderer() -> None:
    environ = {
        "HOME": "/home/ann",
        "PATH": os.pathsep.join(["/home/ann/.venv/bin", "/usr/bin"]),
        "VIRTUAL_ENV": "/home/ann/.venv",
        "PYTHONPATH": "/home/ann/core",
        "PYTHONHOME": "/opt/python",
        "LANEWAY_TOKEN": "t",
        "LANEWAY_SERVER": "s",
        "AWS_SECRET_ACCESS_KEY": "x",
        "DB_PASSWORD": "x",
        "foundry_LICENSE": "4101@licences",
    }
    assert environment.clean(environ) == {
        "HOME": "/home/ann",
        "PATH": "/usr/bin",
        "LANEWAY_SERVER": "s",
        "foundry_LICENSE": "4101@licences",
    }


@pytest.mark.parametrize(
    ("envs", "expected"),
    [
        pytest.param({"A": "1", "B": 2, "C": True}, {"A": "1", "B": "2", "C": "1"}, id="flat"),
        pytest.param(
            {"common": {"A": "1", "B": "2"}, "linux": {"B": "3"}, "mac": {"C": "4"}}, {"A": "1", "B": "3"}, id="by-system"
        ),
        pytest.param({"windows": {"A": "1"}}, {}, id="only-another-system"),
        pytest.param({"linux": "yes"}, {"linux": "yes"}, id="a-variable-named-like-a-system"),
        pytest.param({"A": None}, {"A": None}, id="taken-away"),
        pytest.param({}, {}, id="none"),
    ],
)
def test_the_jobs_own_variables(envs: dict[str, Json], expected: dict[str, str | None]) -> None:
    assert environment.job_envs(envs, "linux") == expected


def test_later_layers_win_and_none_takes_away() -> None:
    assert environment.merge({"A": "1", "B": "2"}, {"A": "3"}, {"B": None, "C": "4"}) == {"A": "3", "C": "4"}


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        pytest.param("linux", "linux", id="linux"),
        pytest.param("darwin", "mac", id="mac"),
        pytest.param("win32", "windows", id="windows"),
    ],
)
def test_systems_by_their_names(platform: str, name: str) -> None:
    assert environment.system(platform) == name
