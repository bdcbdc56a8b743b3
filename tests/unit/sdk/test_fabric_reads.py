"""How what is wanted becomes questions that leave raw reads: asked of the real contract, over a state in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from chaincode.dispatch import invoke
from chaincode.world import MemoryState, MemoryWorld
from evidence.blocks import slot_key
from evidence.canonical import canonical
from evidence.errors import Refused
from evidence.proof_ranges import MAX_ENTRIES, MAX_RANGES, MAX_RAW_READS, KeyRange, covered, parse_ranges, whole_range
from sdk.fabric_proposal import Proposal, Transaction
from sdk.fabric_reads import Batches, Slots, ranges_for, split
from tests.hosts.cast import CHAIN, NOW_US, the_cast
from tests.unit.chaincode.the_world import caller, person, state_with


class Contract:
    """Answers plain questions as an auditor is answered; nobody endorses here."""

    def __init__(self, state: MemoryState) -> None:
        self.state = state
        self.asked = 0

    def evaluate(self, function: str, *arguments: bytes) -> bytes:
        self.asked += 1
        who = caller(the_cast().key("asker").public_key, "AuditorMSP", "AUDITOR")
        return invoke(MemoryWorld(self.state, caller=who, tx_id="ab" * 32, tx_time_us=NOW_US), function, arguments)

    def propose(self, function: str, *arguments: bytes, organisations: Sequence[str] | None = None) -> Proposal:
        raise NotImplementedError

    def endorse(self, proposal: Proposal) -> Transaction:
        raise NotImplementedError


@pytest.fixture
def contract() -> Contract:
    return Contract(state_with(person("asker", "AuditorMSP", "AUDITOR", the_cast().key("asker").public_key)))


def add(contract: Contract, *keys: str) -> None:
    for key in keys:
        contract.state.set(key, canonical({"of": key}))


def held(contract: Contract, asked: KeyRange) -> int:
    return len(list(contract.state.scan(asked.start, asked.end)))


def check(contract: Contract, wanted: Sequence[KeyRange], parts: Sequence[Sequence[KeyRange]]) -> None:
    """Every part is a question that the contract takes and a peer answers key by key; together they hold it all."""
    for part in parts:
        parse_ranges([list(each) for each in part])
        assert len(part) <= MAX_RANGES
        assert sum(held(contract, each) for each in part) <= MAX_ENTRIES
        assert all(held(contract, each) <= MAX_RAW_READS for each in part)
    everything = [each for part in parts for each in part]
    assert all(covered(everything, *each) for each in wanted)


def test_what_a_camera_hour_needs_is_one_question(contract: Contract) -> None:
    add(contract, *(slot_key("active-1", CHAIN, number) for number in range(1, 500)))
    wanted = ranges_for(
        "active-1", [Slots(CHAIN, 100, 459)], room="cr-1", batches=[Batches("north", "recorder", 0, 3)],
        others=[Slots(CHAIN + 1, 7, 8)],
    )  # fmt: skip
    parts = list(split(contract, wanted))
    check(contract, wanted, parts)
    assert len(parts) == 1
    assert contract.asked == 1  # the keys of all ranges whose ends do not tell how many they are
    slots = [each for each in parts[0] if each.start.startswith("block/")]
    assert (slots[0].start, slots[-2].end) == (slot_key("active-1", CHAIN, 99), slot_key("active-1", CHAIN, 461))
    assert slots[-1] == KeyRange(slot_key("active-1", CHAIN + 1, 7), slot_key("active-1", CHAIN + 1, 9))


def test_a_day_of_slots_becomes_several_questions_without_a_hole(contract: Contract) -> None:
    wanted = ranges_for("active-1", [Slots(CHAIN, 0, 8639)], room="cr-1")
    parts = list(split(contract, wanted))
    add(contract, *(slot_key("active-1", CHAIN, number) for number in range(8640)))
    check(contract, wanted, parts)
    assert len(parts) == 9
    assert whole_range("participant") in parts[0]


def test_many_entries_of_one_kind_are_cut_between_their_keys_with_room_for_new_ones(contract: Contract) -> None:
    add(contract, *(f"participant/p-{number:04d}/0000000000" for number in range(130)))
    wanted = [whole_range("participant"), whole_range("genesis")]
    parts = list(split(contract, wanted))
    add(contract, *(f"participant/p-{number:04d}/0000000001" for number in range(0, 130, 13)))
    check(contract, wanted, parts)


def test_more_entries_than_one_answer_holds_are_found_by_the_beginnings_of_their_keys(contract: Contract) -> None:
    names = [f"{first}{second}-{number}" for first in "0az" for second in "09z" for number in range(300)]
    add(contract, *(f"participant/{name}/0000000000" for name in names))
    wanted = [whole_range("participant")]
    parts = list(split(contract, wanted))
    check(contract, wanted, parts)
    assert 3 <= len(parts) <= 5
    bounds = [each for part in parts for each in part]
    assert all(before.end == after.start for before, after in pairwise(bounds))


def test_a_contract_without_the_question_is_not_asked_for_ever(contract: Contract) -> None:
    """An older contract, or another one under that name, refuses every range as it refuses one that is too large."""

    class Older(Contract):
        def evaluate(self, function: str, *arguments: bytes) -> bytes:
            return super().evaluate("no_such_question", *arguments)

    older = Older(contract.state)
    with pytest.raises(Refused, match="no_such_question") as caught:
        list(split(older, [whole_range("participant")]))
    assert caught.value.reason == "invalid"
    assert older.asked < 100


def test_whoever_is_not_shown_the_camera_hears_it_in_the_contracts_words(contract: Contract) -> None:
    with pytest.raises(Refused, match="there is no camera gate-9"):
        list(split(contract, ranges_for("gate-9", [Slots(CHAIN, 0, 1)], room="cr-1")))


def test_a_slot_beside_the_first_and_the_last_possible_one_is_no_number_of_eleven_digits() -> None:
    ranges = ranges_for("gate-1", [Slots(CHAIN, 0, 9_999_999_999)], room="cr-1")
    assert KeyRange(slot_key("gate-1", CHAIN, 0), f"block/gate-1/{CHAIN:010d}0") in ranges
