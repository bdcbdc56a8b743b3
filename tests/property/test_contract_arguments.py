"""Whatever stands in an argument, the answer is a result or a refusal; a wrong argument is `invalid`, never else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.dispatch import invoke
from chaincode.table import TABLE
from chaincode.world import MemoryWorld
from evidence.canonical import canonical
from evidence.errors import Refused
from tests.hosts.cast import NOW_US, the_cast
from tests.unit.chaincode.the_page import MAY
from tests.unit.chaincode.the_world import arguments, caller, person, state_with

FUNCTIONS = sorted(set(MAY) - {"init"})
DEEP: Any = []
for _ in range(40):
    DEEP = [DEEP]

# What no argument of any kind may be: types that no kind reads, control characters, the last code point, too much.
NEVER: tuple[Any, ...] = (
    *("\x00", "a\x00b", "\U0010ffff", "a\U0010ffff", "x" * 70_000, "\x7f", "\n"),
    *(-1, 2**53, 1.5, 1e400, DEEP, [[]], [None], {"a": {"b": []}}, {"": ""}),
)


def attempt(function: str, argument: bytes) -> str:
    """The reason of the refusal, or `ok`."""
    role, msp = MAY[function][0]
    key = the_cast().key("actor").public_key
    world = MemoryWorld(
        state_with(person("actor", msp, role, key)), caller=caller(key, msp, role), tx_id="ab" * 32, tx_time_us=NOW_US
    )
    try:
        invoke(world, function, [argument])
    except Refused as refused:
        assert refused.where == function
        assert not world.writes
        return refused.reason
    return "ok"


def loosely(value: Any) -> bytes:
    """JSON in canonical form as far as there is one: sorted, without blanks, not escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", errors="surrogatepass")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_member_is_read_strictly(function: str) -> None:
    rule = TABLE[function]
    assert attempt(function, arguments(function)) == "ok"
    for bad in (
        b"",
        b"\xff",
        b"null",
        b"7",
        b'"x"',
        b"{",
        b" {}",
        b'{"a":1,"a":1}',
        b'{"\\ud800":1}',
        b"\xef\xbb\xbf{}",
    ):
        assert attempt(function, bad) == "invalid", bad
    if rule.document_bytes:
        return
    good = json.loads(arguments(function))
    assert attempt(function, loosely({**good, "surplus": 1})) == "invalid"
    assert attempt(function, loosely({**good, "deep": DEEP})) == "invalid"
    for each in rule.arguments:
        for value in NEVER:
            assert attempt(function, loosely({**good, each.name: value})) == "invalid", (each.name, value)
        assert attempt(function, loosely({**good, each.name: "\ud800"})) == "invalid"
        assert attempt(function, loosely({**good, each.name: True})) == (
            "ok" if each.kind == "yes or no" else "invalid"
        )
        if each.name in good and not each.optional:
            assert attempt(function, loosely({name: v for name, v in good.items() if name != each.name})) == "invalid"
            assert attempt(function, loosely({**good, each.name: None})) == "invalid"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_transaction_takes_one_argument(function: str) -> None:
    role, msp = MAY[function][0]
    key = the_cast().key("actor").public_key
    who = caller(key, msp, role)
    for given_ in ([], [arguments(function)] * 2):
        world = MemoryWorld(state_with(person("actor", msp, role, key)), caller=who, tx_id="ab" * 32, tx_time_us=NOW_US)
        with pytest.raises(Refused) as caught:
            invoke(world, function, given_)
        assert caught.value.reason == "invalid"


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=70)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner)
)


@settings(max_examples=300, deadline=None)
@given(function=st.sampled_from(FUNCTIONS), data=st.data())
def test_whatever_is_said_is_answered(function: str, data: st.DataObject) -> None:
    argument = arguments(function)
    if TABLE[function].document_bytes or data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(argument) - 1))
        changed = bytes([*argument[:at], data.draw(st.integers(0, 255)), *argument[at + 1 :]])
        attempt(function, changed)
        return
    good = json.loads(argument)
    for each in TABLE[function].arguments:
        if data.draw(st.integers(0, 3)) == 0:
            good[each.name] = data.draw(anything)
    answer = attempt(function, loosely(good))
    if answer == "ok":
        assert canonical(good) == loosely(good)
