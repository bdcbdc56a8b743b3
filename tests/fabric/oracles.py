"""What Fabric's own programs say about blocks and transactions, and what our parsers say, in one form.

`configtxlator` decodes messages; `ledgerutil verify` checks the hashes of a peer's block file. Neither knows our code.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2

from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.fabric_block import BlockHeader, FabricBlock, parse_fabric_block
from evidence.fabric_configuration import parse_configuration
from evidence.fabric_sets import KeyRead, Space
from evidence.fabric_transaction import EndorsedTransaction, parse_endorsed_transaction
from evidence.registry import Position

Facts = dict[str, Any]
COMMAND_S = 60
# With these offsets, a prime step apart, every part of a message is hit; the bit moves on with every flip.
STEP, FLIPS = 7919, 24
# The recorded blocks that are damaged in this way.
DAMAGED = ("raft/12.block", "raft/14.block", "bft/15.block")


def flipped(data: bytes, number: int) -> bytes:
    """The data with one bit changed, another one for every number."""
    changed = bytearray(data)
    changed[number * STEP % len(data)] ^= 1 << number % 8
    return bytes(changed)


# -- configtxlator ---------------------------------------------------------------------------------------------------


def decoded(program: Path, kind: str, message: bytes) -> Any | None:
    """configtxlator's JSON of a message, None where it cannot decode it."""
    done = subprocess.run(
        [str(program), "proto_decode", "--type", kind],
        input=message,
        capture_output=True,
        timeout=COMMAND_S,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def digest(data: bytes) -> str:
    return sha256(data).hex()[:16]


def digest_of(facts: Facts) -> str:
    return digest(json.dumps(facts, sort_keys=True).encode())


def _b64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def facts_of_decoded_block(block: Any) -> Facts:
    header = block["header"]
    facts: Facts = {
        "number": int(header["number"]),
        "previous": _b64(header["previous_hash"]).hex(),
        "data": _b64(header["data_hash"]).hex(),
        "envelopes": [],
    }
    for envelope in block["data"]["data"]:
        payload = envelope["payload"]
        if payload["header"]["channel_header"]["type"] == 3:
            transaction = facts_of_decoded_transaction(payload)
        else:
            transaction = facts_of_decoded_configuration(payload)
        facts["envelopes"].append({**transaction, "signature": digest(_b64(envelope["signature"]))})
    return facts


def facts_of_decoded_configuration(payload: Any) -> Facts:
    config = payload["data"]["config"]
    groups = config["channel_group"]["groups"]
    organisations = {
        found["name"]: len(found["revocation_list"])
        for section in groups.values()
        for each in section["groups"].values()
        for found in [each["values"]["MSP"]["value"]["config"]]
    }
    orderers = groups["Orderer"]["values"].get("Orderers", {"value": {"consenter_mapping": []}})
    return {
        "channel": payload["header"]["channel_header"]["channel_id"],
        "sequence": int(config["sequence"]),
        "organisations": organisations,
        "consenters": {str(each["id"]): each["msp_id"] for each in orderers["value"]["consenter_mapping"]},
    }


def facts_of_decoded_transaction(payload: Any) -> Facts:
    channel, signature = payload["header"]["channel_header"], payload["header"]["signature_header"]
    (action,) = payload["data"]["actions"]
    endorsed = action["payload"]["action"]
    done = endorsed["proposal_response_payload"]["extension"]
    call = action["payload"]["chaincode_proposal_payload"]["input"]["chaincode_spec"]
    # Nanoseconds, which the standard library does not read, cut down to microseconds.
    whole, _, fraction = channel["timestamp"].removesuffix("Z").partition(".")
    second = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    event = done.get("events") or {}
    return {
        "channel": channel["channel_id"],
        "tx_id": channel["tx_id"],
        "time_us": second * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0),
        "creator": signature["creator"]["mspid"],
        "chaincode": [call["chaincode_id"]["name"], done["chaincode_id"]["version"]],
        "arguments": [digest(_b64(each)) for each in call["input"]["args"]],
        "status": done["response"]["status"],
        "response": digest(_b64(done["response"]["payload"])),
        "event": bool(event.get("event_name")),
        "spaces": [_decoded_space(each) for each in done["results"]["ns_rwset"]],
        "endorsers": [digest(_b64(each["endorser"])) for each in endorsed["endorsements"]],
    }


def _decoded_space(space: Any) -> Facts:
    found = space["rwset"]
    return {
        "namespace": space["namespace"],
        "reads": [_decoded_read(each) for each in found["reads"]],
        "ranges": [
            [
                each["start_key"],
                each["end_key"],
                each["itr_exhausted"],
                None
                if each.get("reads_merkle_hashes")
                else [_decoded_read(read) for read in (each.get("raw_reads") or {"kv_reads": []})["kv_reads"]],
            ]
            for each in found["range_queries_info"]
        ],
        "writes": [
            [each["key"], None if each["is_delete"] else digest(_b64(each["value"]))] for each in found["writes"]
        ],
        "further": bool(found["metadata_writes"] or space["collection_hashed_rwset"]),
    }


def _decoded_read(read: Any) -> list[Any]:
    version = read["version"]
    return [read["key"], None if version is None else [int(version["block_num"]), int(version["tx_num"])]]


# -- ours ------------------------------------------------------------------------------------------------------------


def facts_of_block(block: FabricBlock) -> Facts:
    facts: Facts = {
        "number": block.number,
        "previous": block.previous.hex(),
        "data": block.data_hash.hex(),
        "envelopes": [],
    }
    for envelope in block.envelopes:
        if block.is_configuration:
            found = parse_configuration(block)
            transaction: Facts = {
                "channel": found.channel,
                "sequence": found.sequence,
                "organisations": {msp: len(lists) for msp, lists in found.organisations.items()},
                "consenters": {str(number): each.msp for number, each in found.consenters.items()},
            }
        else:
            transaction = facts_of_transaction(parse_endorsed_transaction(envelope.payload))
        facts["envelopes"].append({**transaction, "signature": digest(envelope.signature)})
    return facts


def facts_of_transaction(transaction: EndorsedTransaction) -> Facts:
    return {
        "channel": transaction.channel,
        "tx_id": transaction.tx_id,
        "time_us": transaction.time_us,
        "creator": transaction.creator.msp,
        "chaincode": [transaction.chaincode, transaction.version],
        "arguments": [digest(each) for each in transaction.arguments],
        "status": transaction.status,
        "response": digest(transaction.response),
        "event": bool(transaction.event),
        "spaces": [_space(each) for each in transaction.spaces],
        "endorsers": [digest(identity.serialized) for identity, _ in transaction.endorsements],
    }


def _space(space: Space) -> Facts:
    return {
        "namespace": space.namespace,
        "reads": [_read(each) for each in space.reads],
        "ranges": [
            [each.start, each.end, each.exhausted, None if each.reads is None else [_read(read) for read in each.reads]]
            for each in space.ranges
        ],
        "writes": [[key, None if value is None else digest(value)] for key, value in space.writes],
        "further": space.further,
    }


def _read(read: KeyRead) -> list[Any]:
    version: Position | None = read.version
    return [read.key, None if version is None else [version.height, version.index]]


def facts_or_none(read: Callable[[], Facts]) -> Facts | None:
    """What `read` returns, None where it refuses."""
    try:
        return read()
    except Malformed:
        return None


# -- ledgerutil ------------------------------------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    return bytes([*out, number])


def _counted(data: bytes) -> bytes:
    return _varint(len(data)) + data


RawBlock = tuple[int, bytes, bytes, list[bytes], list[bytes]]
"""Number, previous digest, data hash, envelopes, metadata: as a peer keeps a block, whatever it holds."""


def raw_of(data: bytes) -> RawBlock:
    """A serialized common.Block, by the official parser."""
    found = common_pb2.Block.FromString(data)
    metadata = list(found.metadata.metadata)
    return found.header.number, found.header.previous_hash, found.header.data_hash, list(found.data.data), metadata


def block_file(blocks: Sequence[RawBlock]) -> bytes:
    """A peer's block file."""
    out = b""
    for number, previous, data_hash, envelopes, metadata in blocks:
        block = _varint(number) + _counted(data_hash) + _counted(previous)
        for part in (envelopes, metadata):
            block += _varint(len(part)) + b"".join(map(_counted, part))
        out += _counted(block)
    return out


def message_of(block: RawBlock) -> bytes:
    """The same as a serialized common.Block, as peers hand it out."""
    number, previous, data_hash, envelopes, metadata = block

    def field(tag: int, content: bytes) -> bytes:
        return bytes([tag]) + _counted(content)

    header = (b"\x08" + _varint(number) if number else b"") + (field(0x12, previous) if previous else b"")
    return (
        field(0x0A, header + field(0x1A, data_hash))
        + field(0x12, b"".join(field(0x0A, each) for each in envelopes))
        + field(0x1A, b"".join(field(0x0A, each) for each in metadata))
    )


def faulty_for_ledgerutil(program: Path, channel: str, blocks: Sequence[RawBlock], folder: Path) -> list[int] | None:
    """Numbers of the blocks that `ledgerutil verify` finds faulty; None where it gives up."""
    chain = folder / "peer" / "ledgersData" / "chains" / "chains" / channel
    chain.mkdir(parents=True)
    (chain / "blockfile_000000").write_bytes(block_file(blocks))
    said = folder / "said"
    said.mkdir()
    done = subprocess.run(
        [str(program), "verify", str(folder / "peer"), "-o", str(said)],
        capture_output=True,
        timeout=COMMAND_S,
        check=False,
    )
    results = said / f"{channel}_verification_result" / "blocks.json"
    if not results.exists() or "rror" in done.stderr.decode(errors="replace") or not results.read_text().strip():
        return None
    return [int(each["blockNum"]) for each in json.loads(results.read_text())]


def faulty_for_us(blocks: Sequence[RawBlock]) -> list[int]:
    """Numbers of the blocks that we refuse, or that do not follow the one before."""
    faulty: list[int] = []
    previous = b""
    for raw in blocks:
        try:
            parse_fabric_block(message_of(raw))
            if previous and raw[1] != previous:
                faulty.append(raw[0])
        except Malformed:
            faulty.append(raw[0])
        previous = BlockHeader(number=raw[0], previous=raw[1], data_hash=raw[2]).digest
    return faulty
