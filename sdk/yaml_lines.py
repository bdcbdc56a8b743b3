"""YAML as settings need it: plain values with the line each stands on, and nothing that can explode or surprise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evidence.errors import VeriframeError
from sdk.database import of_os_error

MAX_BYTES = 1 << 18
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A settings file. `lines` maps key paths to line numbers from 1; `problems` are (line, cause, fix)."""

    value: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    problems: tuple[tuple[int, str, str], ...] = ()


def read_document(path: Path, *, required: bool) -> Document:
    """Read a file; what is wrong with it is a problem of the document, never an exception.

    Args:
        required: a file that is not there is a problem too.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        if not required and isinstance(error, FileNotFoundError | NotADirectoryError):
            return Document()
        meant: VeriframeError = of_os_error(error, path, "the settings file")
        return _problem(0, meant.detail, meant.next_step)
    return parse_document(data)


def parse_document(data: bytes, what: str = "the settings file") -> Document:
    """Read YAML of at most 256 KiB: one mapping of text keys, no anchors, no tags, no key twice."""
    if len(data) > MAX_BYTES:
        return _problem(0, f"{what} is larger than {MAX_BYTES} bytes", "keep only settings in it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _problem(0, f"{what} is not UTF-8 text", "save it as UTF-8")
    try:
        refused = _refused_event(text)
        if refused is not None:
            return _problem(*refused)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Document()
        lines: dict[tuple[str, ...], int] = {}
        twice = _walk(root, (), lines)
        if twice is not None:
            return _problem(*twice)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        cause = f"not YAML: {error.problem or error.context or 'unreadable'}"
        return _problem(
            0 if mark is None else mark.line + 1, cause, "check indentation, colons and quotes on this line"
        )
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a scalar that looks like a date or number and is none.
        return _problem(0, f"not YAML: {str(error).splitlines()[0]}", "put such values in quotes")
    if not isinstance(value, dict):
        return _problem(1, f"{what} is not a list of sections", "write `section:` with its keys indented below")
    return Document(value=value, lines=lines)


def _refused_event(text: str) -> tuple[int, str, str] | None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if depth > _MAX_DEPTH:
            return line, "settings are nested too deeply", "sections have one level of keys"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return line, "anchors and aliases are not used here", "write the value out"
        if getattr(event, "tag", None):
            return line, "tags are not used here", "remove the word beginning with `!`"
    return None


def _walk(node: yaml.Node, path: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> tuple[int, str, str] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            return line, "a key is not a plain word", "put it in quotes"
        inner = (*path, key.value)
        if inner in lines:
            return line, f"{key.value} stands here a second time", f"keep one; the first is on line {lines[inner]}"
        lines[inner] = line
        found = _walk(value, inner, lines)
        if found is not None:
            return found
    return None


def _problem(line: int, cause: str, fix: str) -> Document:
    return Document(problems=((line, cause, fix),))
