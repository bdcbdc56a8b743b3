"""Promise 7: no name or other personal detail stands on the ledger, in whatever form its files hold it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

from evidence.commitments import text_commitment
from evidence.ledger_format import parse_transaction
from sdk.people import People
from tests.hosts.cast import ENCRYPTION_KEY, NOW_US, the_cast
from tests.hosts.decisions import HOUR_US, SPAN
from tests.hosts.stage import EmbeddedStage, Stage

PERSONAL = {
    "name": "Wilhelmina Brüggemann-Ōta",
    "purpose": "Diebstahl im Hausflur der Familie Özdemir",
    "legal_basis": "AZ 4711-2026, Amtsgericht Beispielstadt",
    "incident": "Ein Mann mit roter Mütze schlägt Frau Petrović",
    "answer": "Streife Kowalski ist unterwegs",
    "reason": "Herr Ferreira-Lindqvist hat widersprochen",
    "location": "Lindenallee 17, dritter Stock links, bei Hofstätter",
    "ip": "192.168.178.77",
    "clock_check": "Ladenuhr von Frau Achterberg ging vier Minuten vor",
    "error": "Gutachter Vandenbroucke verwechselte die Kameras",
    "review": "Staatsanwältin Okonkwo-Baumgartner",
}


def contents(embedded: EmbeddedStage) -> Iterator[bytes]:
    """Every file of the ledger as it lies there, and everything in it once more, unpacked."""
    for path in sorted(embedded.path.parent.iterdir()):
        if path.is_file():
            yield path.read_bytes()
    yield from embedded.sent
    reader = embedded.host.reader
    for event in reader.events():
        yield event.payload
    seen = set()
    for entry in reader.entries():
        yield entry.key.encode()
        yield entry.value
        if entry.position not in seen:
            seen.add(entry.position)
            receipt = reader.receipt_at(entry.position)
            transaction = parse_transaction(receipt.transaction.payload)
            yield receipt.transaction.payload
            yield transaction.certificate
            yield from transaction.arguments


def spellings(text: str) -> Iterator[bytes]:
    """The value, and what part of it would show inside other encodings."""
    yield from (text.encode(), text.encode("utf-16-le"), text.encode("unicode_escape"), text.upper().encode())
    yield text.encode().hex().encode()
    for shift in range(3):
        # Base64 of the value wherever it begins, without the characters that its neighbours share.
        yield base64.b64encode(b"x" * shift + text.encode())[4 : -4 if len(text) > 12 else None].rstrip(b"=")
    yield from (word.encode() for word in text.replace(",", " ").split() if len(word) > 9)


def found(embedded: EmbeddedStage, text: str) -> bool:
    return any(spelling in content for content in contents(embedded) for spelling in spellings(text))


def test_the_ledger_holds_none_of_it_and_the_openings_prove_all_of_it(tmp_path: Path) -> None:
    cast = the_cast()
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    embedded = EmbeddedStage(ledger, cast)
    stage = Stage(embedded, cast)
    people = People(tmp_path / "people.db", now=lambda: NOW_US)
    try:
        sealed = {what: people.commit(text, subject=what).hex() for what, text in PERSONAL.items()}
        a_year_in_the_life(stage, sealed)
        for what, text in PERSONAL.items():
            assert not found(embedded, text), what
            assert found(embedded, sealed[what]) or what == "name", f"{what} was not even used"
            opening = people.opening(bytes.fromhex(sealed[what]))
            assert opening is not None
            assert (opening.text, text_commitment(opening.salt, text).hex()) == (text, sealed[what])
            assert not found(embedded, opening.salt.hex())
            assert not any(opening.salt in content for content in contents(embedded))
        # The search finds what does stand there, packed or not.
        for public in ("Dome 4 of the first floor", "10.0.4.17", "officer"):
            assert found(embedded, public), public
        kept = (tmp_path / "people.db").read_bytes() + b"".join(p.read_bytes() for p in tmp_path.glob("people.db-*"))
        assert all(text.encode() in kept for text in PERSONAL.values())
    finally:
        people.close()
        embedded.close()


def a_year_in_the_life(stage: Stage, sealed: dict[str, str]) -> None:
    """Every transaction that has something personal behind it."""
    cast = stage.cast
    stage.registers(
        "manager", "manager-2", "supervisor", "operator", "recorder", "owner", "officer", "staff", "auditor"
    )
    stage.does("operator", "propose_camera", **cast.camera(model="Dome 4 of the first floor"))
    stage.does("manager", "approve_camera", camera="gate-1")
    private = cast.camera("porch", owner="owner", ip=sealed["ip"], location=sealed["location"])
    stage.does("owner", "propose_camera", **private)
    stage.does("manager", "approve_camera", camera="porch")
    stage.does("staff", "report_incident", incident="i-1", kind="actual", cameras=["gate-1"], at_us=NOW_US,
               text=sealed["incident"])  # fmt: skip
    stage.does("operator", "respond_incident", incident="i-1", answer=sealed["answer"])
    stage.does("manager", "grant_access", camera="gate-1", participant="officer", purpose=sealed["purpose"], **SPAN)
    ask = {
        **SPAN, "purpose": sealed["purpose"], "legal_basis": sealed["legal_basis"], "encryption_key": ENCRYPTION_KEY,
        "expires_us": NOW_US + HOUR_US,
    }  # fmt: skip
    stage.does("officer", "request_footage", request="ask-1", cameras=["porch"], **ask)
    stage.does("owner", "decide_request", request="ask-1", decision="deny", reason=sealed["reason"])
    stage.does("officer", "request_footage", request="ask-2", cameras=["gate-1"], incident="i-1", **ask)
    stage.does("supervisor", "decide_request", request="ask-2", decision="grant")
    handed = {"request": "ask-2", "camera": "gate-1", "recipient": "officer", "masked": True, "objects": ["44" * 32]}
    stage.does("recorder", "record_disclosure", **handed, **SPAN)
    lock = {"lock": "l-1", "cameras": ["gate-1"], **SPAN, "review_us": NOW_US + HOUR_US}
    stage.does("officer", "lock_evidence", **lock, reason=sealed["review"])
    stage.does("officer", "receive_exhibit", exhibit="x-1", footage="55" * 32, copy="copy",
               clock_check=sealed["clock_check"])  # fmt: skip
    for report in ("v-1", "v-2"):
        stage.does("officer", "record_verification", verification=report, footage="55" * 32, state="VERIFIED",
                   report="66" * 32)  # fmt: skip
    stage.does("officer", "supersede_verification", verification="v-1", superseded_by="v-2", error=sealed["error"])
    stage.does("supervisor", "suspend_camera", camera="gate-1", reason=sealed["reason"])
    stage.does("manager", "close_incident", incident="i-1", reason=sealed["reason"])
