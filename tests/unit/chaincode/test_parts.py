"""The small parts below the hosts: log, packing, world, table."""

from __future__ import annotations

import ast
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode import log
from chaincode.arguments import KINDS, Argument, parse_arguments
from chaincode.ledger_file import SCHEMA
from chaincode.packing import pack_envelope, pack_writes, unpack_envelope, unpack_writes
from chaincode.roles import MSPS, PLACES, ROLES, in_words
from chaincode.table import TABLE
from chaincode.world import MemoryState, MemoryWorld, check_write, prefix_range
from evidence import merkle
from evidence.dsse import parse_envelope
from evidence.errors import Malformed
from evidence.ledger_format import TRANSACTION_PAYLOAD_TYPE, parse_transaction
from evidence.registry import ROLES as REGISTRY_ROLES
from tests.hosts.cast import the_cast
from tests.hosts.stage import signed_transaction

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        yield connection


def test_the_log_is_the_tree_of_rfc_9162(connection: sqlite3.Connection) -> None:
    leaves = [merkle.leaf_hash(bytes([each])) for each in range(70)]
    assert log.root(connection, 0) == merkle.EMPTY_ROOT
    for index, leaf in enumerate(leaves):
        log.append(connection, index, leaf)
    for size in range(1, len(leaves) + 1):
        assert log.root(connection, size) == merkle.root(leaves[:size])
    for size in (1, 2, 3, 8, 33, 64, 70):
        for index in range(size):
            assert log.inclusion_path(connection, index, size) == merkle.inclusion_path(leaves[:size], index)
    with pytest.raises(Malformed):
        log.inclusion_path(connection, 5, 5)
    with pytest.raises(Malformed, match="lacks the node"):
        log.root(connection, 71)
    assert connection.execute("SELECT count(*) FROM nodes").fetchone()[0] < 2 * len(leaves)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}(/[a-z0-9]{1,9}){0,3}", fullmatch=True), st.binary(min_size=1)))
def test_write_sets_come_back_as_they_were(writes: dict[str, bytes]) -> None:
    assert unpack_writes(pack_writes(writes)) == writes


@given(st.binary())
def test_whatever_is_unpacked_is_malformed_or_a_write_set(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        unpack_writes(data)
    with contextlib.suppress(Malformed):
        unpack_envelope(data, b"certificate")


def test_a_bomb_is_not_unpacked() -> None:
    import zlib

    with pytest.raises(Malformed):
        unpack_writes(zlib.compress(bytes(64 << 20)))


def test_an_envelope_comes_back_byte_for_byte() -> None:
    cast = the_cast()
    data = signed_transaction(cast.genesis, cast["manager"], "approve_camera", b'{"camera":"gate-1"}', b"", b"\x00\xff")
    envelope = parse_envelope(data, TRANSACTION_PAYLOAD_TYPE)
    transaction = parse_transaction(envelope.payload)
    packed = pack_envelope(envelope, transaction)
    assert unpack_envelope(packed, transaction.certificate).canonical() == data
    assert len(packed) < len(data) / 2
    assert unpack_envelope(packed, b"another certificate").canonical() != data


def test_memory_reads_what_is_committed_and_not_its_own_writes() -> None:
    state = MemoryState()
    first = MemoryWorld(state, caller=None, tx_id="a", tx_time_us=0)  # type: ignore[arg-type]
    first.put("camera/a/0000000000", b"1")
    first.put("camera/a/0000000000", b"2")
    assert first.get("camera/a/0000000000") is None
    assert list(first.scan(*prefix_range("camera/a/"))) == []
    first.commit()
    second = MemoryWorld(state, caller=None, tx_id="b", tx_time_us=0)  # type: ignore[arg-type]
    assert second.get("camera/a/0000000000") == b"2"
    second.emit("x", b"")
    with pytest.raises(ValueError, match="one event"):
        second.emit("x", b"")


def test_a_prefix_ends_where_its_ids_end() -> None:
    state = MemoryState()
    for key in ("camera/a-1/0", "camera/a/0", "camera/a/1", "camera/a0/0", "camera/b/0", "camerb/a/0"):
        state.set(key, b"x")
    assert [key for key, _ in state.scan(*prefix_range("camera/a/"))] == ["camera/a/0", "camera/a/1"]
    assert len(list(state.scan(*prefix_range("camera/")))) == 5
    with pytest.raises(ValueError, match="slash"):
        prefix_range("camera")


@pytest.mark.parametrize(
    "key",
    ["", "/", "a//b", "a/", "/a", "A/b", "a/B", "a/\x00", "a/\U0010ffff", "a b", "a/-b", "ä"],
)
def test_a_rule_cannot_build_a_key_that_a_host_could_not_keep(key: str) -> None:
    with pytest.raises(ValueError, match="a rule built"):
        check_write(key, b"x")
    with pytest.raises(ValueError, match="wrote nothing"):
        check_write("a/b", b"")


def test_the_table_imports_no_host() -> None:
    hosts = {"embedded", "ordering", "reader", "ledger_file", "check", "log", "simulation", "admission", "dispatch"}
    seen, todo = set(), ["table"]
    while todo:
        module = todo.pop()
        seen.add(module)
        tree = ast.parse((ROOT / "chaincode" / f"{module}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chaincode":
                names = [node.module.split(".")[1]] if "." in str(node.module) else [each.name for each in node.names]
                todo += [name for name in names if name not in seen]
    assert seen & hosts == set()
    assert {"anchors", "cameras", "participants", "policies", "queries"} <= seen


def test_every_row_is_complete() -> None:
    for name, rule in TABLE.items():
        assert name == rule.function.__name__
        assert rule.text and not rule.text.endswith(".")
        assert set(rule.roles) <= set(ROLES)
        names = [each.name for each in rule.arguments]
        assert len(set(names)) == len(names)
        assert all(each.kind in KINDS for each in rule.arguments)
        assert rule.subject in ("", *names)
        assert bool(rule.arguments) + bool(rule.document_bytes) <= 1
    assert [name for name, rule in TABLE.items() if rule.founding] == ["init"]


def test_roles_are_those_of_the_registry_and_know_their_homes() -> None:
    assert set(ROLES) == set(REGISTRY_ROLES)
    for role in ROLES.values():
        assert set(role.msps) <= set(MSPS)
        assert set(role.within) <= set(PLACES)
    assert in_words(("CRM", "OPERATOR", "ADMIN")) == (
        "a control room manager (CRM) of ControlRoomMSP or an operator (OPERATOR) of ControlRoomMSP "
        "or a registrar (ADMIN) of its own organisation"
    )


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_arguments_are_read_totally(given_arguments: list[bytes]) -> None:
    declared = (Argument(name="camera"), Argument(name="limit", kind="number", optional=True))
    try:
        parsed = parse_arguments("f", declared, given_arguments)
    except Malformed:
        return
    assert parsed.text("camera")


def test_asking_for_an_argument_under_another_type_is_a_defect() -> None:
    parsed = parse_arguments("f", (Argument(name="camera"),), [b'{"camera":"gate-1"}'])
    with pytest.raises(TypeError):
        parsed.number("camera")
    with pytest.raises(KeyError):
        parsed.text("cameras")
