"""Writes evidence.json with hashlib, struct, rfc8785 and bare cryptography, not through Veriframe: a second opinion."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ECDSA = ec.derive_private_key(0x5EED, ec.SECP256R1())
ED25519 = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
OPERATOR = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: Any) -> bytes:
    data = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(data, bytes)
    return data


def tree(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1, as it is written there."""
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return sha(b"\x00", leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha(b"\x01", tree(leaves[:split]), tree(leaves[split:]))


def pae(kind: str, payload: bytes) -> bytes:
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload])


def low_s(message: bytes) -> bytes:
    signature = ECDSA.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, ORDER - s))


SEED = bytes(range(32))
CODED = [sha(b"picture %d" % number) for number in range(5)]
OFFSETS = [0, 80_000, 40_000, 120_000, -40_000]
FLAGS = [1, 0, 0, 2, 0]
PHASH = bytes.fromhex("ba8c84536bd3c366")
GRID = bytes(number % 251 for number in range(64 * 36))
PIXELS = sha(b"decoded picture")
SIDE = [(0, sha(b"film grain")), (5, sha(b"end of sequence"))]


def salt(label: str, unit: int, tile: int = 0) -> bytes:
    info = label.encode() + b"\x00" + struct.pack(">II", unit, tile)
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(SEED)


def sample(unit: int) -> dict[str, Any]:
    return {
        "unit": unit,
        "look": sha(b"\x10", salt("look", unit), PHASH, GRID).hex(),
        "pixels": sha(b"\x11", salt("pixels", unit), PIXELS).hex(),
        "exact": True,
        "importance": {"score": 250, "regions": [[0, 0, 64, 32]]},
    }


def unit_leaf(number: int) -> bytes:
    return b"\x01" + CODED[number] + struct.pack(">qB", OFFSETS[number], FLAGS[number])


def side_leaf(unit: int, digest: bytes) -> bytes:
    return b"\x06" + struct.pack(">I", unit) + digest


COMMON: dict[str, Any] = {
    "camera": "gate-1",
    "site": "north",
    "ip": "10.0.4.17",
    "enrolment": sha(b"camera entry").hex(),
    "key": sha(spki(ECDSA)).hex(),
    "chain": 1_761_993_600,
    "sequence": 0,
    "previous": None,
    "start_us": 1_761_993_600_000_000,
    "end_us": 1_761_993_600_200_000,
    "sealed_us": 1_761_993_601_000_000,
    "received_us": 1_761_993_600_000_500,
    "tap": "rtsp",
    "clock": {
        "source": "ntp",
        "offset_us": -1200,
        "uncertainty_us": 900,
        "boot": "b007",
        "mono_us": 5_000_000,
        "mono_end_us": 5_200_000,
        "camera_us": 1_761_993_599_998_800,
    },
    "connection": 0,
    "policy": sha(b"policy").hex(),
    "beacon": {"ledger": "embedded:" + "21" * 32, "height": 7, "hash": sha(b"block 7").hex()},
    "recorder": {"software": "veriframe 0.1.0", "decoder": "h264"},
    "extra": {},
}
SEGMENT: dict[str, Any] = {
    **COMMON,
    "type": "veriframe/segment/1",
    "codec": "h264",
    "width": 1920,
    "height": 1080,
    "display": {"rotate": 0, "mirror": False, "sar": [1, 1], "crop": [0, 0, 0, 0], "colour": [1, 1, 1, 0]},
    "headers": [{"at": 0, "sha256": sha(b"context").hex()}],
    "units": {
        "first": 0,
        "count": 5,
        "root": tree([unit_leaf(number) for number in range(5)]).hex(),
        "source_us": 17_811_000,
    },
    "side": {"count": 2, "root": tree([side_leaf(unit, digest) for unit, digest in SIDE]).hex()},
    "samples": {"count": 2, "root": tree([b"\x02" + rfc8785.dumps(sample(unit)) for unit in (0, 3)]).hex()},
    "sound": None,
    "renditions": [],
    "kept": "all",
    "media": {"bytes": 4096, "sha256": sha(b"clear").hex(), "object": sha(b"stored").hex()},
    "notes": [{"unit": 3, "cause": "time_jump", "count": 1}],
}
EMPTY = {"count": 0, "root": sha().hex()}
RECORDS: dict[str, dict[str, Any]] = {
    "segment": SEGMENT,
    "sealed with an encrypted object": {
        **SEGMENT,
        "sequence": 1,
        "previous": sha(rfc8785.dumps(SEGMENT)).hex(),
        "media": {"bytes": 4096, "sha256": sha(b"clear").hex(), "object": sha(b"ciphertext").hex()},
    },
    "imported": {
        **SEGMENT,
        "tap": "import",
        "clock": {
            "source": "import",
            "offset_us": 0,
            "uncertainty_us": None,
            "boot": "",
            "mono_us": 0,
            "mono_end_us": 0,
            "camera_us": None,
        },
        "beacon": None,
    },
    "media-less": {**SEGMENT, "kept": "none", "media": None, "samples": EMPTY, "side": EMPTY},
    "gap": {
        **COMMON,
        "type": "veriframe/gap/1",
        "sequence": 2,
        "previous": sha(b"previous record").hex(),
        "units": {"first": 5},
        "cause": "clock_step",
        "detected_us": 1_761_993_600_100_000,
        "step_us": -3_600_000_000,
    },
}


def block(record: dict[str, Any]) -> dict[str, Any]:
    names = ("camera", "ip", "chain", "sequence", "start_us", "end_us", "key", "previous")
    return {
        **{name: record[name] for name in names},
        "type": "veriframe/block/1",
        "kind": record["type"].split("/")[1],
        "record": sha(rfc8785.dumps(record)).hex(),
    }


def record_vector(record: dict[str, Any]) -> dict[str, Any]:
    payload = rfc8785.dumps(block(record))
    message = pae("application/vnd.veriframe.block+json", payload)
    return {
        "record": rfc8785.dumps(record).decode(),
        "digest": sha(rfc8785.dumps(record)).hex(),
        "block": payload.decode(),
        "signing_input": message.hex(),
        "ecdsa_p256": b64(low_s(message)),
        "ed25519": b64(ED25519.sign(message)),
    }


def batch_vector() -> dict[str, Any]:
    blocks = [block(RECORDS[name]) for name in ("segment", "sealed with an encrypted object", "gap")]
    leaves = [rfc8785.dumps(each) for each in blocks]
    batch = {
        "type": "veriframe/batch/1",
        "site": "north",
        "recorder": "rec-1",
        "batch": 0,
        "previous": None,
        "from_us": min(each["start_us"] for each in blocks),
        "to_us": max(each["end_us"] for each in blocks),
        "count": 3,
        "root": tree([b"\x03" + leaf for leaf in leaves]).hex(),
        "opened": [["gate-1", 1_761_993_600]],
    }
    return {"leaves": [leaf.decode() for leaf in leaves], "batch": rfc8785.dumps(batch).decode()}


def ledger_vector() -> dict[str, Any]:
    genesis = bytes.fromhex("21" * 32)
    transaction = rfc8785.dumps(
        {
            "type": "veriframe/tx/1",
            "ledger": genesis.hex(),
            "function": "describe",
            "arguments": [b64(b"{}")],
            "caller": {"msp": "ControlRoomMSP", "certificate": b64(b"DER")},
            "time_us": 1_761_993_600_000_000,
            "nonce": "01" * 24,
        }
    )
    writes = rfc8785.dumps([["camera/gate-1/0000000000", b64(b"{}")]])
    ledger_block = rfc8785.dumps(
        {
            "type": "veriframe/ledger-block/1",
            "height": 0,
            "previous": None,
            "time_us": 1_761_993_600_000_001,
            "transactions": [{"id": sha(transaction).hex(), "code": "VALID", "writes": sha(writes).hex()}],
        }
    )
    origin = f"veriframe/{genesis.hex()}"
    body = f"{origin}\n1\n{b64(tree([ledger_block]))}\n".encode()
    public = OPERATOR.public_key().public_bytes_raw()
    key_hash = sha(origin.encode(), b"\n\x01", public)[:4]
    return {
        "transaction": transaction.decode(),
        "id": sha(transaction).hex(),
        "writes": writes.decode(),
        "block": ledger_block.decode(),
        "verifier_key": f"{origin}+{key_hash.hex()}+{b64(bytes([1]) + public)}",
        "checkpoint": (body + f"\n\u2014 {origin} {b64(key_hash + OPERATOR.sign(body))}\n".encode()).decode(),
    }


def main() -> None:
    document = {
        "keys": {
            "ecdsa_p256": {"spki": b64(spki(ECDSA)), "id": sha(spki(ECDSA)).hex()},
            "ed25519": {"spki": b64(spki(ED25519)), "id": sha(spki(ED25519)).hex()},
        },
        "leaves": {
            "coded": [each.hex() for each in CODED],
            "offsets_us": OFFSETS,
            "flags": FLAGS,
            "unit": [unit_leaf(number).hex() for number in range(5)],
            "side": [[unit, digest.hex(), side_leaf(unit, digest).hex()] for unit, digest in SIDE],
            "sample": [rfc8785.dumps(sample(unit)).decode() for unit in (0, 3)],
        },
        "commitments": {
            "seed": SEED.hex(),
            "phash": PHASH.hex(),
            "grid": GRID.hex(),
            "pixels": PIXELS.hex(),
            "salts": [
                [label, unit, tile, salt(label, unit, tile).hex()]
                for label, unit, tile in (("look", 0, 0), ("pixels", 3, 0), ("tile", 3, 17))
            ],
            "look": sample(0)["look"],
            "pixels_commitment": sample(0)["pixels"],
            "text": ["caf\u0065\u0301", sha(SEED, "caf\u00e9".encode()).hex()],
        },
        "records": {name: record_vector(record) for name, record in RECORDS.items()},
        "batch": batch_vector(),
        "ledger": ledger_vector(),
    }
    path = Path(__file__).with_name("evidence.json")
    path.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
