"""Writes fabric.json: endorsed reads and blocks of Fabric, whole and spoiled, put together by fabric_parts.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.vectors.fabric_parts import (
    CLIENT,
    CONTROL_ROOM,
    LIFECYCLE,
    ORDERER,
    PEERS,
    POLICE,
    POSITIONS,
    RANGES,
    READS,
    SECONDS,
    VALUES,
    Signer,
    Transaction,
    answer,
    b64,
    block,
    block_document,
    changed,
    found,
    header_der,
    headers,
    json_bytes,
    number,
    own,
    part,
    range_read,
    ranges_read,
    read_document,
    results,
    sha,
    signed_read,
    slot,
    some,
    space,
)


def spoiled_reads() -> dict[str, tuple[str | None, bytes]]:
    """Case -> the check that refuses it, None where it is read but not all endorsements count; and the payload.

    All are well signed as they stand, those that are refused by one endorser only, to keep the file small: what refuses
    them is never a signature.
    """
    first, chains, none = ranges_read(RANGES)
    fewer = range_read(*RANGES[0], found(*RANGES[0])[:2])
    intact = signed_read().payload()
    channel, signature = signed_read().headers()
    made: dict[str, tuple[str | None, Transaction | bytes]] = {
        "another_function": ("read_question", changed(arguments=[b"describe", b"{}"])),
        "a_further_argument": ("read_question", changed(arguments=[*signed_read().arguments, b""])),
        "question_not_canonical": ("read_question", changed(arguments=[b"read_proof", b'{ "ranges":[["a","b"]]}'])),
        "range_of_another_kind": (
            "read_question",
            changed(arguments=[b"read_proof", json_bytes({"ranges": [["key/", "key0"]]})]),
        ),
        "status_201": ("read_status", changed(status=201)),
        "status_500": ("read_status", changed(status=500)),
        "with_a_message": ("read_status", changed(message="ok")),
        "with_an_event": ("read_event", changed(event=some(1, "veriframe") + some(3, "anchor"))),
        "with_a_write": ("read_writes", changed(sets=own(writes=[(slot(3), b"{}")]))),
        "with_a_deletion": ("read_writes", changed(sets=own(writes=[(slot(1), None)]))),
        "with_a_metadata_write": ("read_writes", changed(sets=own(metadata=[slot(1)]))),
        "with_a_private_collection": ("read_writes", changed(sets=own(collection="secret"))),
        "with_a_write_elsewhere": (
            "read_writes",
            changed(sets=own() + results(space("ztwo", writes=[("key", b"value")]))),
        ),
        "reads_of_another_chaincode": (
            "read_further",
            changed(sets=own() + results(space("ztwo", reads=[("key", (1, 0))]))),
        ),
        "reads_of_another_kind": ("read_further", changed(sets=own(reads=[("exhibit/e-1/0000000000", (6, 0))]))),
        "a_further_range": (
            "read_further",
            changed(sets=own(ranges=[first, chains, none, range_read("request/", "requesu", [])])),
        ),
        "a_range_not_read": ("read_range", changed(sets=own(ranges=[first, none]))),
        "a_range_read_twice": ("read_range", changed(sets=own(ranges=[first, first, chains, none]))),
        "a_range_not_read_to_its_end": (
            "read_range",
            changed(sets=own(ranges=[range_read(*RANGES[0], found(*RANGES[0]), exhausted=False), chains, none])),
        ),
        "a_shorter_range": (
            "read_range",
            changed(sets=own(ranges=[range_read(slot(0), slot(2), found(slot(0), slot(2))), chains, none])),
        ),
        "the_contract_read_nothing": ("read_range", changed(sets=results(LIFECYCLE))),
        "only_a_summary": (
            "read_summary",
            changed(sets=own(ranges=[range_read(*RANGES[0], [], summary=True), chains, none])),
        ),
        "a_key_outside_its_range": (
            "read_write_set",
            changed(sets=own(ranges=[range_read(*RANGES[0], [(slot(3), (7, 0))]), chains, none])),
        ),
        "keys_not_ascending": (
            "read_write_set",
            changed(sets=own(ranges=[range_read(*RANGES[0], found(*RANGES[0])[::-1]), chains, none])),
        ),
        "a_key_without_version": (
            "read_write_set",
            changed(sets=own(ranges=[range_read(*RANGES[0], [(slot(0), None)]), chains, none])),
        ),
        "namespaces_not_ascending": (
            "read_write_set",
            changed(sets=results(space("veriframe", reads=READS, ranges=ranges_read(RANGES)), LIFECYCLE)),
        ),
        "no_read_write_set": ("result", changed(sets=b"")),
        "a_slot_omitted_from_what_was_read": ("read_answer", changed(sets=own(ranges=[fewer, chains, none]))),
        "a_slot_omitted_from_the_answer": (
            "read_answer",
            changed(response=answer([(slot(0), slot(2)), *RANGES[1:]]).replace(slot(2).encode(), slot(3).encode(), 1)),
        ),
        "answer_to_another_range": ("read_answer", changed(response=answer([(slot(0), slot(2)), *RANGES[1:]]))),
        "answer_without_a_range": ("read_answer", changed(response=answer(RANGES[:2]))),
        "answer_in_pages": ("read_answer", changed(response=answer(RANGES, next=None))),
        "answer_not_canonical": ("read_answer", changed(response=answer(RANGES) + b" ")),
        "no_answer": ("read_answer", changed(response=b"")),
        "another_header_type": ("header", changed(type=1)),
        "another_epoch": ("header", changed(epoch=1)),
        "no_channel": ("header", changed(channel="")),
        "nanoseconds_beyond_a_second": ("header", changed(nanos=1_000_000_000)),
        "another_tx_id": ("tx_id", changed(tx_id=sha(b"another").hex())),
        "another_proposal_hash": ("proposal_hash", changed(proposal_hash=sha(b"another"))),
        "two_actions": ("one_action", changed(actions=2)),
        "no_action": ("one_action", changed(actions=0)),
        "an_action_under_another_header": ("one_action", changed(action_header=signature + b"\x1a\x00")),
        "chaincode_of_the_header": ("chaincode", changed(named="another")),
        "chaincode_of_the_result": ("chaincode", changed(done="another")),
        "no_arguments": ("proposal", changed(arguments=[])),
        "an_initialisation": ("proposal", changed(input_more=number(3, 1))),
        "decorations": ("encoding", changed(input_more=part(2, some(1, "name") + some(2, b"value")))),
        "transient_data": ("encoding", changed(proposal_more=part(2, some(1, "name") + some(2, b"value")))),
        "an_unknown_field": ("encoding", changed(result_more=part(5, b"x"))),
        "a_field_behind_the_payload": ("encoding", changed(after=part(3, b"x"))),
        "bytes_behind_the_payload": ("encoding", intact + b"\x00"),
        "a_field_twice": ("encoding", intact + intact[: len(part(1, some(1, channel) + some(2, signature)))]),
        "a_length_not_in_its_shortest_form": ("encoding", intact[:2] + bytes([intact[2] | 0x80, 0x00]) + intact[3:]),
        "cut_short": ("encoding", intact[:-1]),
        "no_endorsement": ("endorsements", changed(endorsers=())),
        "an_identity_without_msp": ("identity", changed(endorsers=(_Nameless(), POLICE))),
        # What remains is read; that these endorsements do not count is for `signers`.
        "endorsed_by_one": (None, changed(endorsers=(CONTROL_ROOM,))),
        "one_key_signs_for_two": (None, changed(signed_by={"PoliceMSP": CONTROL_ROOM})),
        "signature_with_high_s": (None, changed(high_s=True)),
        "one_endorses_twice": (None, changed(endorsers=(CONTROL_ROOM, CONTROL_ROOM, POLICE))),
    }
    found_cases: dict[str, tuple[str | None, bytes]] = {}
    for name, (check, each) in made.items():
        if isinstance(each, Transaction) and check is not None:
            each.endorsers = each.endorsers[:1]
        found_cases[name] = (check, each if isinstance(each, bytes) else each.payload())
    return found_cases


class _Nameless(Signer):
    def __init__(self) -> None:
        super().__init__("", "nobody", 106)


def anchor(sequence: int, value: bytes, nonce: bytes) -> Transaction:
    """The write of a slot, as an anchor makes it."""
    sets = results(LIFECYCLE, space("veriframe", reads=[(slot(sequence), None)], writes=[(slot(sequence), value)]))
    transaction = Transaction([b"anchor", b"[]"], b"{}", sets)
    transaction.nonce = nonce
    transaction.event = some(1, "veriframe") + some(3, "anchor")
    return transaction


WON, LOST = anchor(2, b'{"won":true}', sha(b"one")[:24]), anchor(2, b'{"won":false}', sha(b"two")[:24])


def spoiled_blocks() -> dict[str, tuple[str | None, bytes]]:
    """Case -> the check that refuses it, and the document."""
    pair = [WON.envelope(), LOST.envelope()]
    joined = b"".join(pair)
    digest = sha(header_der(9, sha(b"block 8"), sha(*pair)))
    behind = headers(2, previous=digest)
    return {
        "data_hash_of_other_envelopes": ("block_data_hash", block_document(block(pair, data=sha(*pair[::-1])))),
        "envelopes_in_another_order": ("block_data_hash", block_document(block(pair, cut=pair[::-1]))),
        "an_envelope_left_out": ("block_data_hash", block_document(block(pair, cut=pair[:1]))),
        "boundaries_moved": ("encoding", block_document(block(pair, cut=[joined[:-9], joined[-9:]]))),
        "two_envelopes_as_one": ("encoding", block_document(block(pair, cut=[joined]))),
        "payload_and_signature_apart": (
            "block_envelope",
            block_document(block(pair[:1], cut=[some(1, WON.payload()), some(2, WON.creator.sign(WON.payload()))])),
        ),
        "an_empty_envelope": ("block_envelope", block_document(block(pair, cut=[*pair, b""]))),
        "no_envelope": ("block", block_document(block([], data=sha()))),
        "too_few_validation_codes": ("block_metadata", block_document(block(pair, flags=b"\x00"))),
        "a_predecessor_of_31_bytes": ("block", block_document(block(pair, previous=bytes(31)))),
        "bytes_behind_the_block": ("encoding", block_document(block(pair) + b"\x00")),
        "an_index_beyond": ("index", block_document(block(pair), 2)),
        "not_signed_by_its_creator": ("creator_signature", block_document(block([WON.envelope(POLICE)]))),
        "a_header_missing_between": ("headers", block_document(block(pair), 0, behind[1:])),
        "a_header_of_another_chain": ("headers", block_document(block(pair), 0, headers(2, previous=sha(b"other")))),
        "headers_in_another_order": ("headers", block_document(block(pair), 0, behind[::-1])),
        "the_block_again_as_a_header": (
            "headers",
            block_document(
                block(pair), 0, [{"number": 9, "previous": sha(b"block 8").hex(), "data": sha(*pair).hex()}]
            ),
        ),
        # What remains is read; that no orderer of this block signed is for `signers`.
        "orderers_signed_another_block": (
            None,
            block_document(block(pair, signed=header_der(9, bytes(32), sha(*pair)))),
        ),
    }


def main() -> None:
    read = signed_read()
    pair = [WON.envelope(), LOST.envelope()]
    digest = sha(header_der(9, sha(b"block 8"), sha(*pair)))
    behind = headers(2, previous=digest)
    vectors = {
        "endorsers": {each.msp: b64(each.certificate) for each in PEERS},
        "read": {
            "document": read_document(read.payload()).decode(),
            "question": read.arguments[1].decode(),
            "answer": read.response.decode(),
            "tx_id": sha(read.nonce, CLIENT.serialized).hex(),
            "proposal_hash": sha(*read.headers(), read.proposal()).hex(),
            "endorsed_sha256": sha(read.endorsed()).hex(),
            "time_us": SECONDS * 1_000_000 + 123_456,
            "entries": {key: [*POSITIONS[key], json_bytes(VALUES[key]).decode()] for key in POSITIONS},
            "as_of": [9, 3],
            "signers": [each.msp for each in PEERS],
        },
        "spoiled_reads": {
            name: {"refused": check, "document": read_document(payload).decode()}
            for name, (check, payload) in spoiled_reads().items()
        },
        "block": {
            "document": block_document(block(pair), 0, behind).decode(),
            "previous": sha(b"block 8").hex(),
            "data_hash": sha(*pair).hex(),
            "header": header_der(9, sha(b"block 8"), sha(*pair)).hex(),
            "digest": digest.hex(),
            "newest": sha(header_der(11, bytes.fromhex(behind[1]["previous"]), bytes.fromhex(behind[1]["data"]))).hex(),
            "orderer": {"msp": ORDERER.msp, "certificate": b64(ORDERER.certificate), "number": 3},
            "last_config": 4,
            "position": [9, 0],
            "writes": {slot(2): '{"won":true}'},
            "rivals": [1],
        },
        "spoiled_blocks": {
            name: {"refused": check, "document": document.decode()}
            for name, (check, document) in spoiled_blocks().items()
        },
    }
    text = json.dumps(vectors, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    Path(__file__).with_name("fabric.json").write_text(text)


if __name__ == "__main__":
    main()
