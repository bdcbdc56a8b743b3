"""A transaction as peers endorse it: who asked what, what was answered, what was read, and who signed that.

Several organisations sign one and the same bytes: the proposal's hash, the answer, and the read-write set. Whether
those organisations are believed is not asked here.
"""

from __future__ import annotations

from dataclasses import dataclass

from evidence.digests import sha256
from evidence.fabric_checks import refusal
from evidence.fabric_identities import FabricIdentity, parse_identity
from evidence.fabric_messages import (
    CHAINCODE_ACTION,
    CHAINCODE_ACTION_PAYLOAD,
    CHAINCODE_HEADER_EXTENSION,
    CHAINCODE_INVOCATION_SPEC,
    CHAINCODE_PROPOSAL_PAYLOAD,
    CHANNEL_HEADER,
    PAYLOAD,
    PROPOSAL_RESPONSE_PAYLOAD,
    SIGNATURE_HEADER,
    TRANSACTION,
)
from evidence.fabric_sets import Space, parse_spaces
from evidence.fabric_wire import Values, read_message

MAX_TRANSACTION_BYTES = 48 << 20
MAX_ENDORSEMENTS = 64
MAX_ARGUMENTS = 64
ENDORSER_TRANSACTION = 3  # common.HeaderType

# The shape of the header, for readers that look at one envelope of a block before they read it whole.
_NONCE_BYTES = range(1, 1025)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsedTransaction:
    """One endorsed call of a chaincode.

    Args:
        tx_id: 64 lower-case hexadecimal characters.
        time_us: when the caller says it was asked, Unix microseconds.
        creator: who asked; that they signed is not shown by endorsements, only by the envelope.
        arguments: the function's name first.
        event: the serialized chaincode event, empty without one.
        endorsed: the bytes that each endorser signs, with its own serialized identity behind them.
    """

    channel: str
    tx_id: str
    time_us: int
    creator: FabricIdentity
    chaincode: str
    version: str
    arguments: tuple[bytes, ...]
    status: int
    message: str
    response: bytes
    event: bytes
    spaces: tuple[Space, ...]
    endorsements: tuple[tuple[FabricIdentity, bytes], ...]
    endorsed: bytes

    @property
    def function(self) -> str:
        return self.arguments[0].decode("utf-8", "replace")

    def signers(self) -> tuple[FabricIdentity, ...]:
        """The identities whose signature over `endorsed` and themselves verifies, each once, in the order given."""
        found = {
            identity.serialized: identity
            for identity, signature in self.endorsements
            if identity.signed(signature, self.endorsed + identity.serialized)
        }
        return tuple(found.values())

    def space(self, namespace: str) -> Space | None:
        """The read-write set of one chaincode."""
        return next((each for each in self.spaces if each.namespace == namespace), None)


def parse_endorsed_transaction(payload: bytes) -> EndorsedTransaction:
    """Read a serialized common.Payload of one endorsed transaction, as `Endorse` prepares it and blocks hold it.

    Raises:
        Malformed: not one action of one chaincode, or its parts do not belong to each other; `where` names the check
            of docs/formats/fabric.md.
    """
    values = read_message(PAYLOAD, payload, limit=MAX_TRANSACTION_BYTES)
    header = values["header"]
    if header is None:
        raise refusal("header", "there is none")
    channel = read_message(CHANNEL_HEADER, header["channel_header"])
    signature = read_message(SIGNATURE_HEADER, header["signature_header"])
    creator = parse_identity(signature["creator"])
    time_us = _check_header(channel, signature)
    action = _only_action(values["data"], header["signature_header"])
    proposed = action["chaincode_proposal_payload"]
    name, arguments = _call(proposed)
    response = action["action"]
    endorsed = response["proposal_response_payload"]
    result = read_message(PROPOSAL_RESPONSE_PAYLOAD, endorsed)
    if result["proposal_hash"] != sha256(header["channel_header"], header["signature_header"], proposed):
        raise refusal("proposal_hash")
    done = read_message(CHAINCODE_ACTION, result["extension"])
    answer = done["response"]
    if answer is None or not done["results"]:
        raise refusal("result")
    version = _check_chaincode(name, channel["extension"], done["chaincode_id"])
    if not 1 <= len(response["endorsements"]) <= MAX_ENDORSEMENTS:
        raise refusal("endorsements")
    return EndorsedTransaction(
        channel=channel["channel_id"],
        tx_id=channel["tx_id"],
        time_us=time_us,
        creator=creator,
        chaincode=name,
        version=version,
        arguments=arguments,
        status=answer["status"],
        message=answer["message"],
        response=answer["payload"],
        event=done["events"],
        spaces=parse_spaces(done["results"]),
        endorsements=tuple((parse_identity(each["endorser"]), each["signature"]) for each in response["endorsements"]),
        endorsed=endorsed,
    )


def _check_header(channel: Values, signature: Values) -> int:
    """The transaction's time, Unix microseconds, of a header that holds together."""
    if channel["type"] != ENDORSER_TRANSACTION or channel["epoch"] != 0 or not channel["channel_id"]:
        raise refusal("header")
    if len(signature["nonce"]) not in _NONCE_BYTES:
        raise refusal("header", "there is no nonce")
    time = channel["timestamp"]
    if time is None or time["nanos"] >= 1_000_000_000 or time["seconds"] >= 1 << 34:
        raise refusal("header", "there is no readable time")
    if channel["tx_id"] != sha256(signature["nonce"], signature["creator"]).hex():
        raise refusal("tx_id")
    return int(time["seconds"] * 1_000_000 + time["nanos"] // 1000)


def _only_action(data: bytes, signature_header: bytes) -> Values:
    actions = read_message(TRANSACTION, data)["actions"]
    # Peers take the action's own header for the hash and the outer one for the signature: they must be one.
    if len(actions) != 1 or actions[0]["header"] != signature_header:
        raise refusal("one_action")
    action = read_message(CHAINCODE_ACTION_PAYLOAD, actions[0]["payload"])
    if action["action"] is None:
        raise refusal("one_action", "nothing in it was endorsed")
    return action


def _call(proposed: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Chaincode and arguments, the function's name first."""
    call = read_message(CHAINCODE_INVOCATION_SPEC, read_message(CHAINCODE_PROPOSAL_PAYLOAD, proposed)["input"])
    specification = call["chaincode_spec"]
    if specification is None or specification["chaincode_id"] is None or specification["input"] is None:
        raise refusal("proposal")
    arguments = tuple(specification["input"]["args"])
    if not 1 <= len(arguments) <= MAX_ARGUMENTS or specification["input"]["is_init"]:
        raise refusal("proposal")
    return specification["chaincode_id"]["name"], arguments


def _check_chaincode(name: str, extension: bytes, done: Values | None) -> str:
    """The version of the chaincode that all three places name."""
    asked = read_message(CHAINCODE_HEADER_EXTENSION, extension)["chaincode_id"]
    if not name or asked is None or done is None or asked["name"] != name or done["name"] != name:
        raise refusal("chaincode")
    return str(done["version"])
