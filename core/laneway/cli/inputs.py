"""From files and options to a payload: which engine a file means, where relative paths lead, what a value is.

Nothing here talks to a dispatcher, and the payload itself is checked by `laneway.payload`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from laneway.errors import NotFoundError, UserError
from laneway.model import EngineInfo, Json

MOST_PAYLOAD = 8 * 1024 * 1024  # bytes; the dispatcher takes no more
_PATTERN = re.compile(r"%0?\d*d|#+|<UDIM>|\$\{?[A-Za-z]|\$F\d*|=")
_ELSEWHERE = re.compile(r"\w+=|\$")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|d)?")
_UNITS: Mapping[str | None, float] = {None: 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def absolute(path: str, base: str | None = None) -> str:
    """A path made absolute against `base` (the present folder); a closing slash, which says `folder`, stays.

    Paths of other operating systems, Blender's `//` and what is resolved elsewhere (`volume=shot/a`, `${NAME}/a`) stay as they are.
    """
    if path.startswith("//") or PureWindowsPath(path).is_absolute():
        return path
    if _ELSEWHERE.match(path) and not os.path.exists(os.path.join(base or os.getcwd(), path)):
        return path
    full = os.path.abspath(os.path.join(base or os.getcwd(), os.path.expanduser(path)))
    return f"{full}/" if path.endswith("/") and full != "/" else full


def present(path: str, *, checked: bool = True) -> str:
    """`path`, after a look whether it is there; what is a pattern, or of another system, is taken as it is."""
    ours = PurePosixPath(path).is_absolute() == (os.name == "posix") and not _PATTERN.search(path)
    if checked and ours and not os.path.exists(path):
        raise NotFoundError(
            f"there is no file {path}.",
            field="input",
            value=path,
            fix="Check the path; if only the servers can see it, pass --no-check.",
        )
    return path


def engine_of(paths: Sequence[str], engines: Mapping[str, EngineInfo]) -> EngineInfo:
    """The engine whose extensions these files have. Raises UserError where that is none or several."""
    found: dict[str, EngineInfo] = {}
    for path in paths:
        suffix = PurePosixPath(path.replace("\\", "/")).suffix.lower()
        fitting = [info for info in engines.values() if suffix in info.extensions]
        if not fitting:
            known = sorted({extension for info in engines.values() for extension in info.extensions})
            raise UserError(
                f"no engine takes {suffix or 'files without an extension'} by itself.",
                field="engine",
                value=path,
                fix=f"Name one with --engine ({', '.join(sorted(engines))}). Known by themselves: {', '.join(known) or 'none'}.",
            )
        if len(fitting) > 1:
            names = ", ".join(sorted(info.name for info in fitting))
            raise UserError(f"several engines take {suffix}: {names}.", field="engine", value=path, fix="Choose with --engine.")
        found[fitting[0].name] = fitting[0]
    if len(found) > 1:
        raise UserError(
            f"these files need different engines: {', '.join(sorted(found))}.", field="input", fix="Submit them one by one."
        )
    return next(iter(found.values()))


def read_payload(text: str, name: str) -> dict[str, Json]:
    """The payload in a JSON text. Raises UserError that names line and column."""
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno}, column {exc.colno}"
        raise UserError(f"{name} is no JSON: {exc.msg} ({where}).", field="payload", fix="A payload is a JSON object.") from exc
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{name} is no JSON: {exc}.", field="payload", fix="A payload is a JSON object.") from exc
    if not isinstance(data, dict):
        raise UserError(
            f"{name} holds no JSON object.", field="payload", fix='It looks like {"engine": "blender", "input": …}.'
        )
    return data


def payload_file(path: str) -> dict[str, Json] | None:
    """The payload that a .json file holds, its relative paths made absolute against its own folder; None for another .json file."""
    if not path.lower().endswith(".json"):
        return None
    data = read_payload(_text(path), path)
    if not {"engine", "app"} & data.keys():
        return None
    return rooted(data, os.path.dirname(path))


def rooted(data: dict[str, Json], base: str) -> dict[str, Json]:
    """A payload whose `input` and `output` are absolute."""
    paths: dict[str, Json] = {key: data[key] for key in ("input", "output") if key in data}
    for key, value in paths.items():
        if isinstance(value, str) and value:
            paths[key] = absolute(value, base)
        elif isinstance(value, list):
            paths[key] = [absolute(one, base) if isinstance(one, str) and one else one for one in value]
    return {**data, **paths}


def _text(path: str) -> str:
    try:
        if os.path.getsize(path) > MOST_PAYLOAD:
            raise UserError(f"{path} is larger than a payload can be (8 MB).", field="payload", value=path)
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}.", field="payload", value=path) from None
    except UnicodeDecodeError as exc:
        raise UserError(f"{path} is not UTF-8 text.", field="payload", value=path) from exc
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror}.", field="payload", value=path) from exc


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`KEY=VALUE` texts; a key that is given twice keeps its last value."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{text!r} is not KEY=VALUE.", field=option, value=text, fix=f"Write it like {option} NAME=VALUE.")
        found[key.strip()] = value
    return found


def parameters(texts: Sequence[str], engine: EngineInfo | None) -> dict[str, Json]:
    """`--param k=v`: text where the engine's default is text, else JSON where it reads as JSON, else text."""
    known = engine.parameters if engine is not None else {}
    found: dict[str, Json] = {}
    for key, text in pairs(texts, "--param").items():
        if isinstance(known.get(key), str):
            found[key] = text
            continue
        try:
            found[key] = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            found[key] = text
    return found


def depends_on(text: str) -> dict[str, Json]:
    """`41`, `41:item` (frame by frame), `41:finished` (also when it failed), or both."""
    number, *words = text.split(":")
    fix = "Write the job's number, with :item for frame by frame and :finished to go on even if it fails."
    if not number.isascii() or not number.isdigit() or set(words) - {"item", "all", "done", "finished"}:
        raise UserError(f"{text!r} names no job to wait for.", field="--depends-on", value=text, fix=fix)
    return {
        "job": int(number),
        "on": "item" if "item" in words else "all",
        "when": "finished" if "finished" in words else "done",
    }


def seconds(text: str, option: str) -> float:
    """`90`, `90s`, `15m`, `2h`, `1d` in seconds."""
    match = _TIME.fullmatch(text.strip().lower())
    if match is None:
        raise UserError(f"{text!r} is no time.", field=option, value=text, fix="Write 90 (seconds), 15m, 2h or 1d.")
    return float(match[1]) * _UNITS[match[2]]
