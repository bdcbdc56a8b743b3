"""Who plays in the scenarios: four organisations, their people and machines, and cameras with keys."""

from __future__ import annotations

from functools import cache
from typing import Any

from evidence.blocks import Block, SignedBlock, sign_block
from evidence.canonical import canonical
from evidence.certificates import parse_certificate
from evidence.digests import sha256, to_base64
from evidence.genesis import Genesis, Organisation
from evidence.keys import ED25519, PrivateKeySigner
from evidence.policy import DEFAULT_POLICY
from sdk.authority import Authority, make_authority
from sdk.identities import Identity
from sdk.keys import generate_key

NOW_US = 1_780_000_000_000_000
CHAIN = 1_780_000_000

MSPS = ("ControlRoomMSP", "PoliceMSP", "LocalAuthorityMSP", "AuditorMSP")

# name -> organisation, role, places
PEOPLE: dict[str, tuple[str, str, dict[str, str]]] = {
    "manager": ("ControlRoomMSP", "CRM", {"control_room": "cr-1"}),
    "manager-2": ("ControlRoomMSP", "CRM", {"control_room": "cr-1"}),
    "manager-elsewhere": ("ControlRoomMSP", "CRM", {"control_room": "cr-2"}),
    "supervisor": ("ControlRoomMSP", "CRS", {"control_room": "cr-1"}),
    "operator": ("ControlRoomMSP", "OPERATOR", {"control_room": "cr-1"}),
    "recorder": ("ControlRoomMSP", "RECORDER", {"control_room": "cr-1", "site": "north"}),
    "recorder-2": ("ControlRoomMSP", "RECORDER", {"control_room": "cr-1", "site": "north"}),
    "recorder-south": ("ControlRoomMSP", "RECORDER", {"control_room": "cr-1", "site": "south"}),
    "owner": ("ControlRoomMSP", "OWNER", {"control_room": "cr-1"}),
    "officer": ("PoliceMSP", "PO", {"department": "d-1"}),
    "police-operator": ("PoliceMSP", "PCRO", {"department": "d-1"}),
    "staff": ("LocalAuthorityMSP", "LAS", {}),
    "auditor": ("AuditorMSP", "AUDITOR", {}),
}
ADMINS = {msp: f"admin-{msp[:-3].lower()}" for msp in MSPS}

REASON = sha256(b"salt", b"wrong address").hex()
# A requester's X25519 key: its DER prefix and any 32 bytes.
ENCRYPTION_KEY = to_base64(bytes.fromhex("302a300506032b656e032100") + bytes(range(32)))


class Cast:
    """Made once for a run of tests: making keys and certificates takes longer than the scenarios."""

    def __init__(self) -> None:
        self.authorities: dict[str, Authority] = {msp: make_authority(msp, now_us=NOW_US) for msp in MSPS}
        self.operator = PrivateKeySigner(generate_key(ED25519))
        self._identities: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], Identity] = {}
        self._keys: dict[str, PrivateKeySigner] = {}
        self._blocks: dict[Block, SignedBlock] = {}
        self.genesis = Genesis(
            operator=self.operator.public_key.spki[-32:],
            msps={
                msp: Organisation(
                    roots=(parse_certificate(self.authorities[msp].root_der),), admins=(self.admin(msp).key_id,)
                )
                for msp in MSPS
            },
            policy=DEFAULT_POLICY,
            demo=False,
            nonce=bytes(16),
        )

    def admin(self, msp: str = "ControlRoomMSP") -> Identity:
        return self.identity(ADMINS[msp], msp, "ADMIN", {})

    def __getitem__(self, name: str) -> Identity:
        msp, role, places = PEOPLE[name]
        return self.identity(name, msp, role, places)

    def identity(self, name: str, msp: str, role: str, places: dict[str, str]) -> Identity:
        """The identity of that name with a certificate that says this; its key stays the same whatever it says."""
        known = (name, msp, role, tuple(sorted(places.items())))
        if known not in self._identities:
            signer = self.key(name)
            certificate = self.authorities[msp].issue(
                signer.public_key, subject=name, role=role, attributes=places, now_us=NOW_US
            )
            self._identities[known] = Identity(name=name, msp=msp, certificate=certificate, role=role, signer=signer)
        return self._identities[known]

    def key(self, name: str) -> PrivateKeySigner:
        if name not in self._keys:
            self._keys[name] = PrivateKeySigner(generate_key())
        return self._keys[name]

    def registration(self, name: str, **changed: Any) -> dict[str, Any]:
        _, role, places = PEOPLE[name]
        return {"participant": name, "key": self[name].key_id, "role": role, **places, **changed}

    def camera(self, camera: str = "gate-1", **changed: Any) -> dict[str, Any]:
        """Arguments of `propose_camera`."""
        arguments = {
            "camera": camera,
            "site": "north",
            "ip": "10.0.4.17",
            "make": "Acme",
            "model": "Dome 4",
            "serial": "0001",
            "firmware": "1.2.3",
            "hardware_address": "00:11:22:33:44:55",
            "location": "North gate",
            "control_room": "cr-1",
            "device_key": to_base64(self.key(camera).public_key.spki),
            "key_custody": "file",
            "specification": "",
        }
        return {name: value for name, value in {**arguments, **changed}.items() if value is not None}

    def block(self, sequence: int, *, camera: str = "gate-1", chain: int = CHAIN, **changed: Any) -> Block:
        values: dict[str, Any] = {
            "camera": camera,
            "ip": "10.0.4.17",
            "chain": chain,
            "sequence": sequence,
            "kind": "segment",
            "start_us": NOW_US + 10_000_000 * sequence,
            "end_us": NOW_US + 10_000_000 * (sequence + 1),
            "key": self.key(camera).public_key.key_id,
            "previous": None if sequence == 0 else sha256(b"previous", str(sequence).encode()),
            "record": sha256(b"record", camera.encode(), str((chain, sequence)).encode()),
        }
        return Block(**{**values, **changed})

    def signed(self, block: Block) -> SignedBlock:
        """The block under its camera's signature: always the same one, as a recorder makes it once."""
        if block not in self._blocks:
            self._blocks[block] = sign_block(block, self.key(block.camera))
        return self._blocks[block]

    def blocks(self, *sequences: int, camera: str = "gate-1", chain: int = CHAIN) -> list[SignedBlock]:
        return [self.signed(self.block(each, camera=camera, chain=chain)) for each in sequences]


@cache
def the_cast() -> Cast:
    return Cast()


def members(**values: Any) -> bytes:
    """An argument object; members that are None are left out."""
    return canonical({name: value for name, value in values.items() if value is not None})
