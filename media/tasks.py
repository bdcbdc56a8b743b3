"""The work that may run in the media child, by name. The child runs nothing that does not stand in this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from evidence.errors import ConfigInvalid
from media.frames import Message, Send

Task = Callable[[Mapping[str, Any], Send], Message]

# Name to "module:function". A module is imported only in the child that runs its task.
TASKS: Mapping[str, str] = {
    "scan": "media.scan:scan_task",
    "selftest": "media.selftest:selftest_task",
    "record": "frame_sampler.recording_task:record_task",
}


def task_named(name: str) -> Task:
    """Import the function behind `name`.

    Raises:
        ConfigInvalid: no such task.
    """
    target = TASKS.get(name)
    if target is None:
        raise ConfigInvalid(f"no media task is called {name!r}")
    module, function = target.split(":")
    task: Task = getattr(import_module(module), function)
    return task
