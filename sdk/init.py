"""Making a home: authorities, keys, first ADMINs and genesis document; for a demo also people and a recorder."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaincode.roles import AUDITOR_MSP, CONTROL_ROOM, LOCAL_AUTHORITY, POLICE
from evidence.canonical import canonical
from evidence.certificates import parse_certificate
from evidence.genesis import Genesis, Organisation
from evidence.keys import ED25519, PublicKey
from evidence.policy import DEFAULT_POLICY
from sdk.authority import Authority, make_authority, save_authority
from sdk.home import Home, building, open_home, write_manifest
from sdk.identities import Identity, create_identity
from sdk.keys import create_key
from sdk.ledger import found_ledger, open_ledger

# Folder names of the four organisations, and with them the names of their ADMINs' identities.
ORGANISATIONS: Mapping[str, str] = {
    CONTROL_ROOM: "control-room",
    POLICE: "police",
    LOCAL_AUTHORITY: "local-authority",
    AUDITOR_MSP: "auditor",
}
DEMO_CONTROL_ROOM = "cr-1"
DEMO_SITE = "site-1"
OPERATOR, MANAGER, RECORDER = "operator", "manager", "recorder"
# Identities of a demo home besides the ADMINs: name -> role and where it belongs.
DEMO_PEOPLE: Mapping[str, Mapping[str, str]] = {
    OPERATOR: {"role": "OPERATOR", "control_room": DEMO_CONTROL_ROOM},
    MANAGER: {"role": "CRM", "control_room": DEMO_CONTROL_ROOM},
    RECORDER: {"role": "RECORDER", "control_room": DEMO_CONTROL_ROOM, "site": DEMO_SITE},
}

Now = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new home and what of it is to be kept safe, as (path within the home, why)."""

    home: Home
    genesis: Genesis
    keep_safe: tuple[tuple[str, str], ...]


def admin_name(msp: str) -> str:
    """Name of the identity of an organisation's first ADMIN."""
    return f"admin-{ORGANISATIONS[msp]}"


def init_home(path: Path, *, demo: bool, now: Now) -> Made:
    """Make a home at `path`, which is empty or does not exist. No trust is written on anybody's behalf.

    All of it is made aside and appears at once; an interrupted call leaves nothing that looks like a home.

    Args:
        now: Unix microseconds.

    Raises:
        ConfigInvalid: something is there, or it cannot be written. SpoolFull: no space.
    """
    with building(path) as folder:
        home = Home(path=folder, databases=folder, ledger_id="", demo=demo)
        authorities: dict[str, Authority] = {}
        admins: dict[str, Identity] = {}
        for msp, name in ORGANISATIONS.items():
            authority = make_authority(msp, now_us=now())
            save_authority(authority, home.authorities / name)
            authorities[msp] = authority
            admins[msp] = create_identity(home.identities, admin_name(msp), authority, role="ADMIN", now_us=now())
        operator = create_key(home.operator_key, algorithm=ED25519)
        genesis = Genesis(
            operator=_raw(operator.public_key),
            msps={
                msp: Organisation(roots=(parse_certificate(authorities[msp].root_der),), admins=(admins[msp].key_id,))
                for msp in ORGANISATIONS
            },
            policy=DEFAULT_POLICY,
            demo=demo,
            nonce=secrets.token_bytes(16),
        )
        found_ledger(home.ledger, genesis, operator=operator, identity=admins[CONTROL_ROOM], clock=now)
        if demo:
            ledger = open_ledger(
                f"sqlite:///{home.ledger}", identity=admins[CONTROL_ROOM], operator=operator, clock=now
            )
            try:
                for name, placed in DEMO_PEOPLE.items():
                    attributes = {key: value for key, value in placed.items() if key != "role"}
                    identity = create_identity(
                        home.identities, name, authorities[CONTROL_ROOM], role=placed["role"], attributes=attributes,
                        now_us=now(),
                    )  # fmt: skip
                    arguments = {"participant": name, "key": identity.key_id, **placed}
                    ledger.submit("register_participant", canonical(arguments))
            finally:
                ledger.close()
        # The ledger must be closed before it moves: what is in its journal would stay behind.
        write_manifest(folder, ledger_id=genesis.ledger_id, demo=demo)
    return Made(home=open_home(path), genesis=genesis, keep_safe=_KEEP_SAFE)


_KEEP_SAFE = (
    ("authorities/", "the organisations' root keys: whoever has one can act as anybody of that organisation"),
    ("identities/", "the keys of those who act from this home"),
    ("keys/ledger-operator.pem", "signs the ledger's checkpoints"),
    ("ledger.db", "the ledger itself; lost with its back-ups, no record can be proven"),
    ("people.db", "the texts behind the commitments on the ledger; cannot be made again"),
)


def _raw(key: PublicKey) -> bytes:
    """The 32 bytes of an Ed25519 key, which end its SubjectPublicKeyInfo (RFC 8410)."""
    return key.spki[-32:]
