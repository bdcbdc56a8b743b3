"""Key rings: whoever is a recipient opens the segment, nobody else, and nothing can be moved to another object."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from evidence.digests import sha256
from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed
from sdk.keys import create_key
from sdk.rings import (
    Ring,
    create_recovery_key,
    load_recovery_key,
    make_ring,
    open_ring,
    parse_recipient,
    parse_ring,
    recipient_of,
    rewrap,
)
from sdk.seal_stream import new_data_key

OBJECT = sha256(b"object")
ALICE, BOB, CAROL = (X25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))


def test_each_recipient_opens_the_ring_and_a_stranger_does_not() -> None:
    data_key = new_data_key()
    ring = parse_ring(make_ring(OBJECT, data_key, [recipient_of(ALICE), recipient_of(BOB)]).canonical())
    assert open_ring(ring, ALICE) == open_ring(ring, BOB) == data_key
    with pytest.raises(KeyUnavailable, match="not among those"):
        open_ring(ring, CAROL)


def test_one_recipient_is_too_few_and_so_is_the_same_one_twice() -> None:
    for recipients in ([ALICE], [ALICE, ALICE], []):
        with pytest.raises(ConfigInvalid, match="at least 2"):
            make_ring(OBJECT, new_data_key(), [recipient_of(r) for r in recipients])


def test_a_wrapped_key_moved_to_another_object_does_not_open() -> None:
    ring = make_ring(OBJECT, new_data_key(), [recipient_of(ALICE), recipient_of(BOB)])
    with pytest.raises(KeyUnavailable, match="changed"):
        open_ring(Ring(opens=sha256(b"other"), wrapped=ring.wrapped), ALICE)


def test_rekeying_adds_and_drops_recipients_without_touching_the_key() -> None:
    data_key = new_data_key()
    ring = make_ring(OBJECT, data_key, [recipient_of(ALICE), recipient_of(BOB)])
    changed = rewrap(ring, ALICE, add=[recipient_of(CAROL)], drop=[recipient_of(BOB).key_id])
    assert open_ring(changed, CAROL) == data_key
    with pytest.raises(KeyUnavailable):
        open_ring(changed, BOB)
    with pytest.raises(ConfigInvalid):
        rewrap(ring, ALICE, drop=[recipient_of(BOB).key_id])


def test_any_changed_byte_of_a_ring_is_refused_or_opens_for_nobody() -> None:
    data_key = new_data_key()
    ring = make_ring(OBJECT, data_key, [recipient_of(ALICE), recipient_of(BOB)])
    data = ring.canonical()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            read = parse_ring(changed)
        except Malformed:
            continue
        for key in (ALICE, BOB):
            try:
                # Only the other recipient's entry was changed: then this one still opens, and to the right key.
                assert open_ring(read, key) == data_key
                assert read.opens == OBJECT
            except KeyUnavailable:
                continue


def test_recipients_travel_as_text() -> None:
    assert parse_recipient(recipient_of(ALICE).text).key_id == recipient_of(ALICE).key_id
    for text in ("", "AAAA", "not base64", recipient_of(ALICE).text[:-4]):
        with pytest.raises(ConfigInvalid):
            parse_recipient(text)
    with pytest.raises(Malformed):
        recipient_of(ec.generate_private_key(ec.SECP256R1()))


def test_recovery_keys_are_kept_in_files_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "recovery-1.pem"
    recipient = create_recovery_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert recipient_of(load_recovery_key(path)).key_id == recipient.key_id
    with pytest.raises(KeyUnavailable, match="never overwritten"):
        create_recovery_key(path)
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        load_recovery_key(tmp_path / "absent.pem")
    create_key(tmp_path / "device.pem")
    with pytest.raises(KeyUnavailable, match="X25519"):
        load_recovery_key(tmp_path / "device.pem")
    (tmp_path / "text.pem").write_text("nothing")
    with pytest.raises(KeyUnavailable, match="not a private key"):
        load_recovery_key(tmp_path / "text.pem")
