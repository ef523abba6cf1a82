"""Hook of MkDocs: a page for each task, from its row and its section in tasks.md, and its place in the menu."""

import re
from pathlib import Path

from mkdocs.structure.files import File, Files

MENU = "Tasks"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.M)


def on_config(config):
    """List the pages under MENU."""
    for entry in config.nav:
        if MENU in entry:
            entry[MENU] += [{name: f"tasks/{name}.md"} for name, *_ in ROW.findall(_overview(config))]
    return config


def on_files(files: Files, config) -> Files:
    """Add the pages."""
    text = _overview(config)
    parts = re.split(r"^## (.+)$", text, flags=re.M)
    sections = dict(zip(parts[1::2], (part.strip() for part in parts[2::2])))
    for name, a, b, run in ROW.findall(text):
        module = f"rev2fwd_il.tasks.{name}"
        directions = f"- **A**: {a}\n- **B**: {b}\n- {run}"
        reference = (
            f"Its settings and methods: [`{module}`](../api/tasks.md#{module}). All tasks: [Overview](../tasks.md)."
        )
        page = "\n\n".join([f"# {name}", directions, sections.get(name, ""), reference])
        files.append(File.generated(config, f"tasks/{name}.md", content=page))
    return files


def _overview(config) -> str:
    return (Path(config.docs_dir) / "tasks.md").read_text()
