"""uvicorn as the dispatcher needs it: its own sockets, its own signals, and polls that are answered before it waits for them."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from laneway.errors import UserError

BACKLOG = 1024


def listen(host: str, port: int | None, *, default: int) -> socket.socket:
    """A listening socket. `port` None: the default one, or any that is free where that is taken. Raises `UserError`."""
    try:
        return _bind(host, default if port is None else port)
    except OSError as exc:
        if port is None and exc.errno == errno.EADDRINUSE:
            return _bind(host, 0)
        raise UserError(
            f"{host}:{default if port is None else port} cannot be used: {exc.strerror or exc}.",
            field="port" if exc.errno == errno.EADDRINUSE else "host",
            value=port,
            fix="Name another with --port, or 0 for any that is free.",
        ) from exc


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows SO_REUSEADDR would share the port with whoever has it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.set_inheritable(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The address that clients on this computer use."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only programs of this computer can connect, so that every agent sees the same files."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


class Serving(uvicorn.Server):
    """Serves an application until `stop` is called. `ready` is called once it listens, `leaving` before it waits for open requests."""

    def __init__(self, app: ASGIApp, *, ready: Callable[[], None], leaving: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_keep_alive=75,  # longer than agents keep an idle connection, so that they never meet one half closed
                timeout_graceful_shutdown=5,
            )
        )
        self._ready = ready
        self._leaving = leaving

    def stop(self) -> None:
        """End soon; may be called from a signal handler or another thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: the dispatcher handles signals itself, because uvicorn raises them again before the last snapshots are written."""
        yield
