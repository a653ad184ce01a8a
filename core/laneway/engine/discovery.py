"""Which engines there are, read from their files without running them.

An engine is a Python file with a class `Engine`; its name is the file's. Engines that ship are found first, those in the folders of
LANEWAY_ENGINES after them, and a later one of the same name takes the earlier one's place: so can a site replace what ships.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.engine.common import Common
from laneway.errors import EngineError, UnknownNameError
from laneway.model import EngineInfo, Json

if TYPE_CHECKING:
    from ast import ClassDef, stmt

CONSTANTS = ("SETTINGS", "PARAMETERS", "ENVS", "versions")


def folders(environ: Mapping[str, str] | None = None) -> list[Path]:
    """The folders that are searched, in order: the package `laneway_engines` (found, not imported), then LANEWAY_ENGINES."""
    spec = importlib.util.find_spec("laneway_engines")
    shipped = [Path(each) for each in spec.submodule_search_locations or ()] if spec else []
    extra = (os.environ if environ is None else environ).get("LANEWAY_ENGINES", "")
    return shipped + [Path(each) for each in extra.split(os.pathsep) if each]


def catalogue(where: Sequence[Path] | None = None) -> dict[str, EngineInfo]:
    """Every engine by name. Files without a class `Engine` are passed over; raises EngineError for one that cannot be read."""
    found: dict[str, EngineInfo] = {}
    for folder in folders() if where is None else where:
        for path in sorted(folder.glob("*.py")):
            info = read(path)
            if info is not None:
                found[info.name] = info
    return dict(sorted(found.items()))


def read(path: Path) -> EngineInfo | None:
    """The engine in the file `path`; None where it holds no class `Engine`. Raises EngineError naming file and line."""
    import ast  # a host imports engines and seldom reads one

    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as exc:
        raise EngineError(f"the engine {path} cannot be read: {exc}.", field=str(path)) from exc
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Engine":
            return _info(path, node)
    return None


def _info(path: Path, node: ClassDef) -> EngineInfo:
    from ast import get_docstring

    constants = {name: value for statement in node.body for name, value in _constant(path, statement)}
    settings = _object(path, constants, "SETTINGS")
    versions = constants.get("versions") or ()
    if not isinstance(versions, (tuple, list)):
        raise EngineError(f"{path}: versions must be a tuple of text.", field="versions")
    documentation = (get_docstring(node) or "").strip().splitlines()
    items = settings.get("items", True) is not False
    return EngineInfo(
        name=path.stem,
        description=documentation[0] if documentation else "",
        items=items,
        multiple_inputs=settings.get("multiple_inputs") is True,
        input_required=settings.get("input_required", True) is not False,
        extensions=_extensions(path, settings, "filename_extensions"),
        binary_extensions=_extensions(path, settings, "binary_filename_extensions"),
        default_range=_optional(path, settings, "default_range"),
        default_bucketsize=_size(path, settings, "default_bucketsize", 1),
        max_bucketsize=_size(path, settings, "max_bucketsize", 0),
        parameters=_object(path, constants, "PARAMETERS"),
        versions=tuple(str(version) for version in versions),
        path=str(path),
    )


def _constant(path: Path, statement: stmt) -> list[tuple[str, Json]]:
    """The constant of the configuration block that `statement` sets, if it does."""
    import ast

    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return []
    names = [target.id for target in targets if isinstance(target, ast.Name) and target.id in CONSTANTS]
    if not names:
        return []
    try:
        literal: Json = ast.literal_eval(value)
    except ValueError as exc:
        text = f"{path}, line {statement.lineno}: {names[0]} must be a literal, since it is read without running the file."
        raise EngineError(text, field=names[0]) from exc
    return [(name, literal) for name in names]


def _object(path: Path, constants: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = constants.get(name) or {}
    if not isinstance(value, dict):
        raise EngineError(f"{path}: {name} must be a dictionary.", field=name)
    return value


def _extensions(path: Path, settings: Mapping[str, Json], key: str) -> tuple[str, ...]:
    text = _optional(path, settings, key) or ""
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _optional(path: Path, settings: Mapping[str, Json], key: str) -> str | None:
    value = settings.get(key)
    if value is not None and not isinstance(value, str):
        raise EngineError(f"{path}: SETTINGS[{key!r}] must be text.", field=key, value=value)
    return value


def _size(path: Path, settings: Mapping[str, Json], key: str, default: int) -> int:
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise EngineError(f"{path}: SETTINGS[{key!r}] must be a whole number, 0 or more.", field=key, value=value)
    return value


def load(name: str, where: Sequence[Path] | None = None) -> type[Common]:
    """Imports the engine `name` and gives back its class. Raises UnknownNameError or EngineError."""
    path = _path(name, where)
    if path is None:
        raise UnknownNameError("engine", name, catalogue(where), field="engine")
    module_name = f"laneway_engine_{name}".replace("-", "_").replace(".", "_")
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise EngineError(f"the engine {path} cannot be imported.", field="engine", value=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pickling look a class's module up
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        del sys.modules[module_name]
        text = f"the engine {path} cannot be imported: {type(exc).__name__}: {exc}"
        raise EngineError(text, field="engine", value=name) from exc
    engine = getattr(module, "Engine", None)
    if not (isinstance(engine, type) and issubclass(engine, Common)):
        raise EngineError(f"the class Engine in {path} must be a subclass of Common.", field="engine", value=name)
    return engine


def find(name: str, where: Sequence[Path] | None = None) -> EngineInfo:
    """The engine `name`, reading its file only. Raises UnknownNameError, which lists what there is."""
    path = _path(name, where)
    info = None if path is None else read(path)
    if info is not None:
        return info
    raise UnknownNameError("engine", name, catalogue(where), field="engine")


def _path(name: str, where: Sequence[Path] | None) -> Path | None:
    """The file of the engine `name`: the last folder that has one counts."""
    if not name.replace("-", "_").replace(".", "_").isidentifier():
        return None
    paths = [folder / f"{name}.py" for folder in reversed(folders() if where is None else list(where))]
    return next((path for path in paths if path.is_file()), None)
