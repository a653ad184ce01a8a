"""What the OpenAPI document says of bodies that the routes read themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from laneway.dispatcher.faults import ErrorBody
from laneway.dispatcher.wire import ACTION, JOIN, LEAVE, POLL, REPORTS, Message
from laneway.model import Json

Schema = dict[str, Json]

_TEXT: Schema = {"type": "string"}
_RANGE: Schema = {"type": "string", "examples": ["1-100", "1-100x5", "1,5,20-10"]}

PAYLOAD: Schema = {
    "title": "Payload",
    "type": "object",
    "required": ["engine"],
    "additionalProperties": False,
    "properties": {
        "name": {**_TEXT, "maxLength": 200, "description": "from the input's file name where it is not given"},
        "code": {**_TEXT, "description": "another word for name"},
        "engine": {**_TEXT, "description": "an engine, or an engine and the version it must have, such as blender-4.2"},
        "app": {**_TEXT, "description": "another word for engine"},
        "input": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}], "description": "absolute path, or several"},
        "output": {**_TEXT, "description": "absolute path of a folder or a file"},
        "range": _RANGE,
        "priority_range": {**_RANGE, "examples": ["fml:3", "auto:5", "1,50,100"], "description": "rendered first"},
        "parameters": {"type": "object", "description": "the engine's own"},
        "envs": {"type": "object", "description": "flat, or by common, linux, mac, windows"},
        "settings": {
            "type": "object",
            "properties": {
                "task_bucketsize": {"type": "integer", "minimum": 0, "description": "items per bucket; 0: all in one"},
                "task_max_retries": {"type": "integer", "minimum": 0},
                "task_retry_delay": {"type": "number", "minimum": 0, "description": "seconds; doubles with each try"},
                "task_timeout": {"type": "number", "minimum": 0, "description": "seconds; 0: none"},
                "max_lanes": {"type": "integer", "minimum": 0, "description": "0: no limit"},
            },
        },
        "queue": {"description": "high, medium, low, or a number from 0 to 1000"},
        "priority": {"type": "integer", "minimum": 0, "maximum": 1000},
        "depends_on": {"type": "array", "items": {"type": "object"}},
        "dependencies": {"type": "array", "items": _TEXT},
        "description": _TEXT,
        "metadata": {"type": "object"},
        "hold": {"type": "boolean", "description": "submit on hold"},
        "user": _TEXT,
    },
}

PAYLOAD_EXAMPLES: dict[str, Any] = {
    "frames": {
        "summary": "48 frames of a Blender scene, four to a bucket",
        "value": {
            "engine": "blender",
            "input": "/projects/shot/shot.blend",
            "range": "1-48",
            "priority_range": "fml:3",
            "output": "/projects/shot/frames/shot.####.png",
            "settings": {"task_bucketsize": 4},
        },
    },
    "command": {
        "summary": "A command line per item",
        "value": {"engine": "command", "range": "1-10", "parameters": {"command": ["/bin/echo", "${ITEM}"]}},
    },
}

CHANGES: Schema = {
    "title": "Changes",
    "type": "object",
    "minProperties": 1,
    "properties": {
        key: cast("dict[str, Json]", PAYLOAD["properties"])[key]
        for key in ("name", "description", "metadata", "priority", "queue", "settings")
    },
}

_MESSAGES: Mapping[str, Message[Any]] = {
    "Join": JOIN,
    "Poll": POLL,
    "Reports": REPORTS,
    "Leave": LEAVE,
    "Action": ACTION,
    "ErrorBody": Message(ErrorBody),
}


def body(name: str, *, required: bool = True, examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is one of the schemas below."""
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if examples is not None:
        content["examples"] = examples
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def add_schemas(document: dict[str, Any]) -> None:
    """Put the schemas of those bodies into a document."""
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Payload"] = PAYLOAD
    schemas["Changes"] = CHANGES
    for name, message in _MESSAGES.items():
        schema: dict[str, Any] = message.schema()
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
