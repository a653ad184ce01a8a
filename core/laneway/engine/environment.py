"""The environment that a renderer starts with: the agent's without what is Laneway's or Python's own, plus the job's."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from laneway.model import Json

_SECRET = re.compile(r"(?:TOKEN|SECRET|SECRET_KEY|PASSWORD|PASSWD|PRIVATE_KEY|ACCESS_KEY|API_KEY|CREDENTIALS?)$", re.IGNORECASE)
_SYSTEMS = ("common", "linux", "mac", "windows")


def system(platform: str = sys.platform) -> str:
    """`linux`, `mac` or `windows`."""
    return {"win32": "windows", "darwin": "mac"}.get(platform, "linux")


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without PYTHON*, the active virtual environment and whatever is named like a secret.

    A renderer brings its own Python; PYTHONPATH or PYTHONHOME of the agent would break it.
    """
    result = {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith("PYTHON") and name != "VIRTUAL_ENV" and not _SECRET.search(name)
    }
    venv = environ.get("VIRTUAL_ENV")
    if venv and "PATH" in result:
        own = {os.path.join(venv, "bin"), os.path.join(venv, "Scripts")}
        result["PATH"] = os.pathsep.join(part for part in result["PATH"].split(os.pathsep) if part not in own)
    return result


def job_envs(envs: Mapping[str, Json], operating_system: str | None = None) -> dict[str, str | None]:
    """The job's own variables here: `envs` is flat, or keyed `common`, `linux`, `mac`, `windows`. None takes a variable away."""
    if envs and all(name in _SYSTEMS and isinstance(value, dict) for name, value in envs.items()):
        merged: dict[str, Json] = {}
        for part in ("common", operating_system or system()):
            chosen = envs.get(part)
            if isinstance(chosen, dict):
                merged.update(chosen)
    else:
        merged = dict(envs)
    return {name: None if value is None else _text(value) for name, value in merged.items()}


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else str(value)


def merge(base: Mapping[str, str], *layers: Mapping[str, str | None]) -> dict[str, str]:
    """`base` with each layer on top; a value of None takes the variable away."""
    result = dict(base)
    for layer in layers:
        for name, value in layer.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = value
    return result
