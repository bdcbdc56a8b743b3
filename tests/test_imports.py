"""The import table of the architecture, enforced on every module, also on imports inside functions."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "evidence": set(),
    "chaincode": {"evidence"},
    "media": {"evidence"},
    "sdk": {"evidence", "chaincode"},
    "frame_sampler": {"evidence", "media", "sdk"},
    "verifier": {"evidence", "media", "chaincode.table"},
    "network": {"evidence", "chaincode", "sdk"},
    "api": {"evidence", "sdk", "verifier", "frame_sampler", "chaincode.table"},
    "cli": {"evidence", "chaincode", "media", "sdk", "frame_sampler", "verifier", "network", "api"},
}
MORE = {
    "verifier/fetch.py": {"sdk"},
    "chaincode/fabric.py": {"grpc", "fabric_protos", "google"},
    "chaincode/fabric_stream.py": {"fabric_protos", "google"},
}
# What else a room may import beside the standard library; rooms that are not named: any dependency.
OUTSIDE = {"evidence": {"cryptography"}, "chaincode": set(), "media": {"av", "numpy"}}
MODULES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(tree: ast.Module) -> set[str]:
    nodes = list(ast.walk(tree))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 0 for node in froms), "relative import"
    return plain | {f"{node.module}.{alias.name}" for node in froms for alias in node.names}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = path.parts[0]
    allowed = ROOMS[room] | {room} | MORE.get(path.as_posix(), set())
    for name in imports(ast.parse((ROOT / path).read_bytes())):
        top = name.split(".")[0]
        if top in ROOMS:
            assert any(f"{name}.".startswith(f"{entry}.") for entry in allowed), f"{room} may not import {name}"
        elif room in OUTSIDE and top not in sys.stdlib_module_names:
            assert top in OUTSIDE[room] | allowed, f"{room} may not import {name}"
