"""The JSON schema of the configuration, for editors and other tools: `python -m rev2fwd_il.config.json_schema FILE`.

It is written from the typed settings, which stay what checks a run: they know what settings mean together, accept
former names, and find tasks of one's own.
"""

import json
import sys
from pathlib import Path
from typing import Any

from rev2fwd_il.config.run import Config
from rev2fwd_il.config.task import DEFAULT_KIND, KINDS, task_class

TITLE = "Configuration of Rev2Fwd: config.yaml and what is laid over it"


def json_schema() -> dict[str, Any]:
    """JSON schema (2020-12): the task's section is that of its kind; a policy type may bring a section of its own."""
    schema = Config.model_json_schema() | {"title": TITLE}
    definitions = schema["$defs"]
    definitions.pop("TaskSettings")
    kinds = {kind: task_class(kind).Settings.model_json_schema() for kind in KINDS}
    for kind, settings in kinds.items():
        definitions |= settings.pop("$defs", {})
        definitions[f"task_{kind}"] = settings
        settings["properties"]["kind"] = {"const": kind, "default": DEFAULT_KIND}
    elsewhere = {"type": "object", "required": ["kind"], "properties": {"kind": {"pattern": ".:."}}}
    default = {"if": {"not": {"required": ["kind"]}}, "then": {"$ref": f"#/$defs/task_{DEFAULT_KIND}"}}
    chosen = [
        {
            "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
            "then": {"$ref": f"#/$defs/task_{kind}"},
        }
        for kind in kinds
    ]
    known = {"type": "object", "properties": {"kind": {"enum": [*kinds]}}, "allOf": [default, *chosen]}
    definitions["task"] = {"anyOf": [known, elsewhere]}
    schema["properties"]["task"] = {"$ref": "#/$defs/task"}
    definitions["PolicyConfig"]["additionalProperties"] = {"type": "object"}
    return schema


def as_text() -> str:
    """The schema as it is written to a file."""
    return json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(as_text())
