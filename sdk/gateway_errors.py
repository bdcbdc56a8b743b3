"""What goes wrong between a client and a Fabric gateway, as one table: which error it is, and what to do about it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

import grpc
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import transaction_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from evidence.errors import (
    CommitInvalid,
    CommitUnknown,
    ConfigInvalid,
    EndorseFailed,
    LedgerUnavailable,
    Refused,
    RefusedReason,
    SubmitFailed,
    VeriframeError,
)

Call = Literal["evaluate", "endorse", "submit", "commit status", "events"]


class Reaction(Enum):
    """What a client does about a failed call."""

    STOP = auto()  # the same call would fail again
    AGAIN = auto()  # back off; a question or an endorsement is asked anew, under a new transaction id
    SAME_ENVELOPE = auto()  # back off; send the very same signed envelope
    ASK_STATUS = auto()  # outcome unknown: ask what became of the same transaction id before anything else
    LOOK_AT_FIRST = auto()  # a replay: the first commit of this transaction id is the answer
    ONCE_MORE = auto()  # endorse once more; if that fails the same way, somebody must be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What one endorser or orderer said."""

    address: str
    msp: str
    message: str


class Trouble(Exception):
    """A failed call, classified. Stays within the gateway's modules: callers get `error`."""

    def __init__(
        self,
        error: VeriframeError,
        reaction: Reaction,
        *,
        elsewhere: bool = False,
        unanswered: bool = False,
        perhaps_taken: bool = False,
        of_ledger: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.reaction = reaction
        self.unanswered = unanswered  # the deadline passed
        self.perhaps_taken = perhaps_taken  # an orderer may have taken the envelope all the same
        self.of_ledger = of_ledger  # the transaction was ordered, and this is what became of it
        self.elsewhere = elsewhere  # only other organisations refused: their peers may be behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table. `says`: only where the text contains one of these; `codes` empty: any."""

    calls: tuple[Call, ...]
    codes: tuple[grpc.StatusCode, ...]
    error: type[VeriframeError]
    reaction: Reaction
    next_step: str = ""
    says: tuple[str, ...] = ("",)


_C = grpc.StatusCode
_ASKING: tuple[Call, ...] = ("evaluate", "endorse")
_ALL: tuple[Call, ...] = ("evaluate", "endorse", "submit", "commit status", "events")
_OVERLOAD = ("concurrency limit",)
_NOT_LET_IN = ("error validating proposal", "request unauthorized", "identity expired")
_FIX = "see the peer's log"
# A peer ends a call whose deadline has passed by its own clock; that may arrive before ours has.
_BROKEN_OFF = ("Stream removed", "RST_STREAM")
# What is said of a connection over which nothing was sent.
_NOT_CONNECTED = ("failed to connect", "connection refused", "while dialing", "received unsuccessful response")

# The first row that fits counts. A contract's refusal (`chaincode response 4xx`) is recognised before the table.
TABLE: tuple[Row, ...] = (
    Row(calls=_ASKING, codes=(), says=_OVERLOAD, error=LedgerUnavailable, reaction=Reaction.AGAIN),
    Row(calls=("submit",), codes=(), says=_OVERLOAD, error=LedgerUnavailable, reaction=Reaction.SAME_ENVELOPE),
    Row(calls=("commit status",), codes=(), says=_OVERLOAD, error=CommitUnknown, reaction=Reaction.ASK_STATUS),
    Row(calls=("events",), codes=(), says=_OVERLOAD, error=LedgerUnavailable, reaction=Reaction.AGAIN),
    # A proposal that a peer does not let in comes as ABORTED too, and would never be let in.
    Row(
        calls=_ASKING, codes=(), says=("incorrect timestamp",), error=EndorseFailed, reaction=Reaction.STOP,
        next_step="set the clock of this machine right, or the peer's; nothing was sent, it can be sent then",
    ),
    Row(
        calls=_ASKING, codes=(), says=("identity expired",), error=EndorseFailed, reaction=Reaction.STOP,
        next_step="the identity's certificate has ended: have a new one issued over the same key",
    ),
    Row(
        calls=_ASKING, codes=(), says=("access denied",), error=EndorseFailed, reaction=Reaction.STOP,
        next_step="the channel does not know this certificate, or it was revoked: check identity and organisation",
    ),
    Row(
        calls=_ASKING, codes=(), says=_NOT_LET_IN, error=EndorseFailed, reaction=Reaction.STOP,
        next_step="check identity, rights, channel, and this machine's clock",
    ),
    Row(
        calls=_ASKING, codes=(), says=("no combination of peers", "no peer combination"),
        error=EndorseFailed, reaction=Reaction.STOP,
        next_step="organisations that the rule needs are away or do not run the contract: see their status, send again",
    ),
    Row(
        calls=_ASKING, codes=(_C.FAILED_PRECONDITION,), error=EndorseFailed, reaction=Reaction.STOP,
        next_step="check signature, rights, contract and endorsing organisations",
    ),
    Row(
        calls=_ASKING, codes=(_C.UNAVAILABLE, _C.ABORTED, _C.DEADLINE_EXCEEDED),
        error=LedgerUnavailable, reaction=Reaction.AGAIN,
    ),
    Row(
        calls=("submit",), codes=(), says=("status=FORBIDDEN",), error=SubmitFailed, reaction=Reaction.STOP,
        next_step="the orderers do not know this identity's certificate, or it was revoked",
    ),
    Row(calls=("submit",), codes=(_C.UNAVAILABLE,), error=LedgerUnavailable, reaction=Reaction.SAME_ENVELOPE),
    Row(
        calls=("submit", "commit status"), codes=(_C.DEADLINE_EXCEEDED,),
        error=CommitUnknown, reaction=Reaction.ASK_STATUS,
    ),
    Row(
        calls=("commit status",), codes=(_C.UNAVAILABLE, _C.ABORTED),
        error=CommitUnknown, reaction=Reaction.ASK_STATUS,
    ),
    Row(
        calls=("events",), codes=(_C.UNAVAILABLE, _C.ABORTED, _C.DEADLINE_EXCEEDED),
        error=LedgerUnavailable, reaction=Reaction.AGAIN,
    ),
    Row(calls=_ASKING, codes=(), says=_BROKEN_OFF, error=LedgerUnavailable, reaction=Reaction.AGAIN),
    Row(calls=("events",), codes=(), says=_BROKEN_OFF, error=LedgerUnavailable, reaction=Reaction.AGAIN),
    Row(
        calls=("submit", "commit status"), codes=(), says=_BROKEN_OFF,
        error=CommitUnknown, reaction=Reaction.ASK_STATUS,
    ),
    Row(
        calls=_ALL, codes=(_C.PERMISSION_DENIED, _C.UNAUTHENTICATED, _C.INVALID_ARGUMENT, _C.NOT_FOUND),
        error=ConfigInvalid, reaction=Reaction.STOP, next_step="check identity, channel and contract of the profile",
    ),
    Row(calls=_ASKING, codes=(), error=EndorseFailed, reaction=Reaction.STOP, next_step=_FIX),
    Row(calls=("submit",), codes=(), error=SubmitFailed, reaction=Reaction.STOP, next_step=_FIX),
    Row(calls=("commit status",), codes=(), error=CommitUnknown, reaction=Reaction.STOP, next_step=_FIX),
    Row(calls=("events",), codes=(), error=LedgerUnavailable, reaction=Reaction.STOP, next_step=_FIX),
)  # fmt: skip

# Validation codes of a transaction that was ordered (protos.TxValidationCode); every other one but 0 ends it.
VALIDATION: dict[int, tuple[type[VeriframeError], Reaction, str]] = {
    9: (CommitInvalid, Reaction.LOOK_AT_FIRST, "this transaction id was on the ledger already"),
    10: (EndorseFailed, Reaction.ONCE_MORE, "the organisations that endorsed do not satisfy the contract's rule"),
    11: (CommitInvalid, Reaction.AGAIN, "a concurrent transaction won"),
    12: (CommitInvalid, Reaction.AGAIN, "a concurrent transaction won"),
}

_CHAINCODE = re.compile(r"chaincode response (\d{3})(?:, (.*))?", re.DOTALL)
_REASONS: dict[int, RefusedReason] = {
    400: "invalid",
    403: "denied",
    404: "not_found",
    409: "conflict",
    410: "expired",
}


def classify(
    call: Call, code: grpc.StatusCode, text: str, details: Sequence[Detail] = (), *, own_msp: str = ""
) -> Trouble:
    """What a failed call means.

    Args:
        details: what single endorsers said.
        own_msp: the gateway's organisation. Where it does not refuse, the others' peers may lag behind ours.
    """
    refusals = [(each.msp, found) for each in details if (found := _refusal(each.message)) is not None]
    direct = _refusal(text)
    if direct is not None:
        return Trouble(direct, Reaction.STOP)
    if refusals:
        lagging = call == "endorse" and all(msp != own_msp for msp, _ in refusals)
        return Trouble(refusals[0][1], Reaction.AGAIN if lagging else Reaction.STOP, elsewhere=lagging)
    everything = " ".join([text, *(each.message for each in details)])
    for row in TABLE:
        if call in row.calls and (not row.codes or code in row.codes) and any(part in everything for part in row.says):
            return Trouble(
                _say(row, call, code, text, details),
                row.reaction,
                unanswered=code is _C.DEADLINE_EXCEEDED or row.says is _BROKEN_OFF,
                perhaps_taken=call != "submit" or (row.says is not _OVERLOAD and not _surely_not_sent(text, details)),
            )
    raise AssertionError(f"no row for {call}")  # the last rows of each call take everything


def _surely_not_sent(text: str, details: Sequence[Detail]) -> bool:
    """Whether a failed call of Submit says of every orderer that nothing reached it, or that it declined."""
    if details:
        return all(any(part in each.message for part in _NOT_CONNECTED) for each in details)
    return "no orderer" in text or any(part in text for part in _NOT_CONNECTED)


def classify_validation(code: int, tx_id: str) -> Trouble | None:
    """What a commit's validation code means; None for a valid transaction."""
    if code == 0:
        return None
    name = transaction_pb2.TxValidationCode.Name(code) if code in transaction_pb2.TxValidationCode.values() else code
    kind, reaction, text = VALIDATION.get(code, (CommitInvalid, Reaction.STOP, "the transaction was ordered but void"))
    return Trouble(kind(f"{text} ({name})", where=f"transaction {tx_id[:16]}"), reaction, of_ledger=True)


def _say(row: Row, call: Call, code: grpc.StatusCode, text: str, details: Sequence[Detail]) -> VeriframeError:
    named = "; ".join(f"{each.msp or 'somebody'} at {each.address}: {each.message}" for each in details)
    said = " ".join(f"{text} {named}".split())[:500]
    next_step = row.next_step
    if not next_step and "certificate has expired" in said:
        next_step = "the node's TLS certificate has ended: its operator renews it"
    return row.error(f"{call}: {said or code.name.lower()}", where="gateway", next_step=next_step)


def _refusal(text: str) -> Refused | None:
    found = _CHAINCODE.search(text)
    if found is None or found.group(1)[0] not in "45":
        return None
    status, message = int(found.group(1)), found.group(2) or ""
    # Others may have written behind the contract's own JSON object.
    try:
        members, _ = json.JSONDecoder().raw_decode(message)
        said = {name: str(members.get(name, "")) for name in ("detail", "where", "next_step")}
    except (ValueError, AttributeError, RecursionError):
        said = {"detail": "", "where": "", "next_step": ""}
    return Refused(
        said["detail"] or f"the contract answered {status} {message[:300]}".strip(),
        reason=_REASONS.get(status, "invalid"),
        where=said["where"],
        next_step=said["next_step"],
    )


def details_of(status_bytes: bytes) -> tuple[Detail, ...]:
    """Read the `grpc-status-details-bin` trailer: a google.rpc.Status with gateway.ErrorDetail messages inside.

    Whatever cannot be read is left out: this only adds words to an error.
    """
    found = []
    for packed in _status_details(status_bytes):
        try:
            message = AnyMessage.FromString(packed)
            if message.type_url.endswith("/gateway.ErrorDetail"):
                detail = gateway_pb2.ErrorDetail.FromString(message.value)
                found.append(Detail(address=detail.address, msp=detail.msp_id, message=detail.message))
        except DecodeError:
            continue
    return tuple(found)


def _status_details(data: bytes) -> list[bytes]:
    """Field 3 of google.rpc.Status {1: code, 2: message, 3: repeated Any}; its class is not among the dependencies."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            if tag >> 3 == 3:
                found.append(data[at : at + value])
            at += value
        elif tag & 7 != 0:
            break
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
    return value, len(data)
