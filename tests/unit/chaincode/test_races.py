"""Two create the same thing at the same moment, each in a thread of their own: exactly one of them does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evidence.errors import CommitInvalid, Refused
from tests.hosts.cast import NOW_US, REASON, members, the_cast
from tests.hosts.decisions import HOUR_US, SPAN, request
from tests.hosts.stage import EmbeddedStage, Stage, signed_transaction

CREATIONS: Mapping[str, tuple[tuple[str, str], dict[str, Any], str]] = {
    "report_incident": (
        ("operator", "officer"),
        {"incident": "i-1", "kind": "actual", "cameras": ["gate-1"], "at_us": NOW_US},
        "incident/i-1/",
    ),
    "request_footage": (("officer", "auditor"), request(), "request/ask-1/"),
    "lock_evidence": (
        ("officer", "manager"),
        {"lock": "l-1", "cameras": ["gate-1"], **SPAN, "review_us": NOW_US + HOUR_US, "reason": REASON},
        "lock/l-1/",
    ),
    "record_verification": (
        ("officer", "manager"),
        {"verification": "v-1", "footage": REASON, "state": "VERIFIED", "report": REASON},
        "verification/v-1/",
    ),
    "receive_exhibit": (
        ("officer", "auditor"),
        {"exhibit": "x-1", "footage": REASON, "copy": "copy"},
        "exhibit/x-1/",
    ),
    "approve_change": (
        ("manager", "manager-2"),
        {"camera": "gate-1", "number": 0},
        "change/gate-1/0000000000/0000000001",
    ),
    "decide_request": (
        ("manager", "supervisor"),
        {"request": "ask-0", "decision": "grant"},
        "request/ask-0/0000000001",
    ),
}


@pytest.mark.parametrize("function", sorted(CREATIONS))
def test_exactly_one_wins(function: str, tmp_path: Path) -> None:
    cast = the_cast()
    embedded = EmbeddedStage(tmp_path, cast)
    stage = Stage(embedded, cast)
    try:
        stage.opens_for_business()
        stage.registers("officer", "auditor")
        stage.does("officer", "request_footage", **request("ask-0"))
        stage.does("operator", "propose_change", camera="gate-1", kind="firmware", firmware="2")
        pair, values, prefix = CREATIONS[function]
        envelopes = [signed_transaction(cast.genesis, cast[who], function, members(**values)) for who in pair]
        barrier, outcomes = threading.Barrier(2), []

        def send(envelope: bytes) -> None:
            barrier.wait()
            try:
                embedded.host.submit(envelope)
                outcomes.append("won")
            except (Refused, CommitInvalid) as error:
                outcomes.append(error.reason if isinstance(error, Refused) else error.code)

        threads = [threading.Thread(target=send, args=(each,)) for each in envelopes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) in (["commit_invalid", "won"], ["conflict", "won"])
        assert len([key for key, _ in stage.host.state() if key.startswith(prefix)]) == 1
    finally:
        embedded.close()
