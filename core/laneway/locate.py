"""Find the dispatcher and the token that opens it: what was given, then the environment, then the data folder.

A dispatcher writes `dispatcher.json` and `token` into its data folder, so programs of the same user on the same computer need
no set-up. The token of the data folder goes only to this computer, to the dispatcher that the folder names, or where the folder
was named outright: `--url http://elsewhere` alone must not carry a local secret to a stranger. Standard library only, because
the agent and the host adapters use it; platformdirs is loaded when no folder was named.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from laneway.errors import AccessError, UnreachableError, UserError

DEFAULT_PORT = 7450
START_FIX = "Start one with `laneway up`, or name one with --url and --token (LANEWAY_URL, LANEWAY_TOKEN)."
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Located:
    """Where the dispatcher is. `url` has no trailing slash; `announced` is the file that named it, if a data folder did."""

    url: str
    token: str
    announced: Path | None = None


def data_folder(given: Path | str | None = None) -> Path:
    """The folder of this user's Laneway data: `given`, else `LANEWAY_DATA`, else the platform's place. It is not created."""
    named = given or os.environ.get("LANEWAY_DATA")
    if named:
        return Path(os.path.abspath(Path(named).expanduser()))
    from platformdirs import user_data_dir

    return Path(user_data_dir("laneway", appauthor=False))


def locate(url: str | None = None, token: str | None = None, data: Path | str | None = None) -> Located:
    """The dispatcher to talk to.

    Raises UnreachableError where none is known, AccessError where its token is missing or lies open to other users, and
    UserError for a URL that is none.
    """
    folder = data_folder(data)
    named = url or os.environ.get("LANEWAY_URL")
    secret = token or os.environ.get("LANEWAY_TOKEN")
    if named:
        address = normal_url(named)
        return Located(address, secret or _token_for(address, folder, bool(data or os.environ.get("LANEWAY_DATA"))))
    announced = folder / "dispatcher.json"
    address = _announced(announced)
    return Located(address, secret or _read_token(folder / "token"), announced)


def normal_url(text: str) -> str:
    """`host:7450`, `http://host:7450/` and `https://farm.example/laneway/api/v1` as a base URL without a trailing slash."""
    full = text.strip() if "://" in text else f"http://{text.strip()}"
    fix = f"Write it like http://render01:{DEFAULT_PORT}."
    try:
        parts = urlsplit(full)
        host, _ = parts.hostname, parts.port  # reading the port is what checks it
    except ValueError as exc:
        raise UserError(f"not an address of a dispatcher: {exc}.", field="url", value=text, fix=fix) from exc
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in full):
        raise UserError("not an address of a dispatcher.", field="url", value=text, fix=fix)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            "an address holds no user, password or query.", field="url", value=text, fix=f"{fix} The token goes in --token."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/api/v1')}"


def is_loopback(url: str) -> bool:
    """Whether a base URL stays on this computer."""
    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK or host.startswith("127.")


def _token_for(address: str, folder: Path, folder_was_named: bool) -> str:
    path = folder / "token"
    if path.exists() and (folder_was_named or is_loopback(address) or _announces(folder, address)):
        return _read_token(path)
    raise AccessError(
        f"no token for {address}.",
        field="token",
        fix="Pass --token or set LANEWAY_TOKEN; the dispatcher's own data folder holds it in the file `token`.",
    )


def _announces(folder: Path, address: str) -> bool:
    try:
        return _announced(folder / "dispatcher.json") == address
    except UserError:
        return False


def _announced(path: Path) -> str:
    try:
        text = _private_text(path, stat.S_IWGRP | stat.S_IWOTH, "can be changed by other users")
        return normal_url(json.loads(text)["url"])
    except FileNotFoundError:
        raise UnreachableError(f"no dispatcher has been started here ({path} does not exist).", fix=START_FIX) from None
    except OSError as exc:
        raise UnreachableError(f"{path} cannot be read: {exc.strerror}.", fix=START_FIX) from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise UnreachableError(
            f"{path} does not name a dispatcher.", fix="Start the dispatcher again: it writes the file anew."
        ) from exc


def _read_token(path: Path) -> str:
    try:
        token = _private_text(path, stat.S_IRWXG | stat.S_IRWXO, "can be read by other users").strip()
    except FileNotFoundError:
        raise AccessError(f"there is no token in {path}.", field="token", fix="Pass --token or set LANEWAY_TOKEN.") from None
    except (OSError, ValueError) as exc:
        raise AccessError(
            f"the token in {path} cannot be read: {exc}.", field="token", fix="Pass --token or set LANEWAY_TOKEN."
        ) from exc
    if not token:
        raise AccessError(f"the token file {path} is empty.", field="token", fix="Delete it and start the dispatcher again.")
    return token


def _private_text(path: Path, forbidden: int, complaint: str) -> str:
    """A small text file, unless its mode has one of the `forbidden` bits (elsewhere than on POSIX the folder guards it)."""
    with path.open(encoding="utf-8") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & forbidden:
            raise AccessError(
                f"{path} {complaint} (mode {mode:04o}), so it is not used.",
                field="token",
                fix=f"Run `chmod 600 {path}`; if somebody may have used it, delete it and restart the dispatcher.",
            )
        return file.read(65536)
