"""Which engines can run on this computer."""

from __future__ import annotations

from collections.abc import Mapping

from laneway.engine.bucket import Spec
from laneway.engine.common import Context
from laneway.engine.discovery import catalogue, load
from laneway.errors import UserError
from laneway.frames import Frames
from laneway.model import EngineOffer, Json


def probe_all(environ: Mapping[str, str]) -> dict[str, Json]:
    """Asks every engine; each answer as an agent sends it when it joins. An engine that cannot even be asked is not available."""
    try:
        names = list(catalogue())
    except UserError as exc:
        return {"?": _wire(EngineOffer(available=False, reason=str(exc)))}
    return {name: _wire(probe(name, environ)) for name in names}


def probe(name: str, environ: Mapping[str, str]) -> EngineOffer:
    """Asks one engine whether it can run in `environ`."""
    try:
        answer = load(name)(Spec(engine=name), Frames.span(0, 0), Context(environ=environ, dry=True)).probe()
    except UserError as exc:
        return EngineOffer(available=False, reason=str(exc))
    except Exception as exc:  # noqa: BLE001  # an engine's mistake must not cost the server its other engines
        return EngineOffer(available=False, reason=f"{type(exc).__name__}: {exc}")
    return answer if isinstance(answer, EngineOffer) else EngineOffer(available=answer)


def _wire(offer: EngineOffer) -> dict[str, Json]:
    return {"available": offer.available, "version": offer.version, "executable": offer.executable, "reason": offer.reason}
