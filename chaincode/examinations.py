"""Rules about what was examined: verifications and what supersedes them, and exhibits that no recorder saw."""

from __future__ import annotations

from chaincode import documents
from chaincode.arguments import Arguments
from chaincode.rule import refuse
from chaincode.world import World
from evidence.errors import Malformed
from evidence.registry import ParticipantEntry

# The states that an examination ends in; `verifier.model.State` has the same names (a test compares them).
STATES = (
    *("VERIFIED", "ALTERED", "INCOMPLETE", "NOT_ANCHORED", "NO_MATCH", "UNTRUSTED_PROOF", "UNDETERMINED"),
    "SIMILAR_ONLY",
)
COPIES = ("master", "copy")


def record_verification(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("verification")
    documents.require_new(world, "verification", subject)
    members = {
        "verification": subject,
        "status": "RECORDED",
        "footage": arguments.data("footage").hex(),
        "state": arguments.text("state"),
        "report": arguments.data("report").hex(),
        "msp": actor.msp,
        "by": actor.id,
        "superseded_by": None,
        "error": None,
    }
    documents.append(world, "verification", subject, members, n=0)
    return {"verification": subject}


def supersede_verification(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """A report turned out wrong: name the error, and the verification that stands instead."""
    subject, better = arguments.text("verification"), arguments.text("superseded_by")
    found = documents.require(world, "verification", subject, "record_verification makes one")
    if subject == better:
        raise Malformed("a verification is not superseded by itself")
    instead = documents.require(world, "verification", better, "record_verification makes one")
    if found.text("msp") != actor.msp:
        raise refuse(
            "denied",
            f"a verification is superseded by the organisation that recorded it, and {subject} is of "
            f"{found.text('msp')}",
            f"record a verification of your own, or ask {found.text('msp')}",
        )
    if found.status != "RECORDED":
        raise refuse("conflict", f"a verification is superseded once, and {subject} has been")
    if instead.status != "RECORDED":
        # Two that supersede each other would leave none that stands.
        raise refuse("conflict", f"a verification is superseded by one that stands, and {better} is superseded itself")
    n = documents.follow(
        world,
        "verification",
        subject,
        found,
        status="SUPERSEDED",
        superseded_by=better,
        error=arguments.data("error").hex(),
        by=actor.id,
    )
    return {"verification": subject, "n": n}


def receive_exhibit(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Proves that footage from elsewhere is unchanged since it was received, and nothing earlier."""
    subject = arguments.text("exhibit")
    documents.require_new(world, "exhibit", subject)
    members = {
        "exhibit": subject,
        "footage": arguments.data("footage").hex(),
        "copy": arguments.text("copy"),
        "clock_check": arguments.maybe_hex("clock_check"),
        "text": arguments.maybe_hex("text"),
        "msp": actor.msp,
        "receiver": actor.id,
    }
    documents.append(world, "exhibit", subject, members, n=0)
    return {"exhibit": subject}
