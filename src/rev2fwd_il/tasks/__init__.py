"""Tasks: what is done, where it starts and ends, when it is done. One module a task; task.py says what a task is."""

from rev2fwd_il.config.task import DEFAULT_KIND, TaskSettings, read_task_settings, task_class
from rev2fwd_il.tasks.task import Task


def make_task(settings: TaskSettings) -> Task:
    """The task of these settings. Raises ConfigError where there is no such kind."""
    return task_class(settings.kind)(settings)


def task_of(meta: dict) -> Task:
    """The task that a dataset's `meta` (or a checkpoint's record) tells of; the default task where it tells of none."""
    settings = meta.get("task_settings") or {
        name.removeprefix("task."): value
        for name, value in (meta.get("settings") or {}).items()
        if name.startswith("task.")
    }
    return make_task(read_task_settings({"kind": DEFAULT_KIND} | settings))
