"""Print the JSON schema of the console protocol, or the constants that a schema cannot say, for the browser.

Source: `traderv3.console.messages`, whose structs are the only definition of what a browser receives.
Called by `scripts/generate-types.sh`, never by hand.
"""

import json
import sys
from typing import Any

import msgspec

from traderv3.console.messages import LOGGED, MESSAGES

REF = "#/$defs/{name}"


def envelope(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one text frame whose `data` is of the given kind."""
    return {
        "type": "object",
        "properties": {
            "type": {"const": kind},
            "seq": {"type": "integer"},
            "timestamp": {"type": "string"},
            "data": data,
        },
        "required": ["type", "seq", "timestamp", "data"],
    }


def batch() -> dict[str, Any]:
    """Return the schema of a batch: frames in order, without a number of its own."""
    items = {"type": "array", "items": {"$ref": REF.format(name="Message")}}
    schema = envelope("batch", {"type": "object", "properties": {"items": items}, "required": ["items"]})
    return {**schema, "required": ["type", "data"]}


def schema() -> dict[str, Any]:
    """Return one schema with every struct, every frame and their unions `Message` and `ServerMessage`."""
    _, structs = msgspec.json.schema_components(MESSAGES.values(), ref_template=REF)
    frames = {
        f"{struct.__name__}Message": envelope(kind, {"$ref": REF.format(name=struct.__name__)})
        for kind, struct in MESSAGES.items()
    }
    unions = {"Message": {"oneOf": [{"$ref": REF.format(name=name)} for name in frames]}, "BatchMessage": batch()}
    return {
        "title": "ServerMessage",
        "oneOf": [{"$ref": REF.format(name=name)} for name in unions],
        "$defs": {name: nameless(part) for name, part in {**structs, **frames, **unions}.items()},
    }


def nameless(part: dict[str, Any]) -> dict[str, Any]:
    """Drop what `$defs` already says and what TypeScript cannot use (titles, defaults)."""
    properties = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in part.get("properties", {}).items()
    }
    return {key: value for key, value in {**part, "properties": properties}.items() if key != "title" and value != {}}


def tuples(part: Any) -> Any:
    """Say a tuple as draft 4 did, which is what the TypeScript generator understands."""
    if isinstance(part, list):
        return [tuples(item) for item in part]
    if not isinstance(part, dict):
        return part
    said = {key: tuples(value) for key, value in part.items()}
    if "prefixItems" in said:
        said = {**said, "items": said.pop("prefixItems")}
    return said


def constants() -> str:
    """Return TypeScript that lists each kind's required fields and the kinds that consume a number of the log."""
    required = {
        kind: [field.encode_name for field in msgspec.structs.fields(struct) if field.required]
        for kind, struct in MESSAGES.items()
    }
    lines = "\n".join(f"  {kind}: {json.dumps(fields)}," for kind, fields in required.items())
    return (
        "/** Fields that `data` must have, by kind: what the decoder checks at the socket. */\n"
        f"export const REQUIRED: Readonly<Record<string, readonly string[]>> = {{\n{lines}\n}};\n\n"
        "/** Kinds that consume a number of the event log; of the others only the latest matters. */\n"
        f"export const LOGGED: readonly string[] = {json.dumps(sorted(LOGGED))};\n"
    )


if __name__ == "__main__":
    print(constants() if sys.argv[1:] == ["constants"] else json.dumps(tuples(schema())))
