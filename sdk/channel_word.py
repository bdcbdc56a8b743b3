"""What a channel's peer says about the channel: its id, the organisations' roots, and who has to endorse.

That is the word of one peer, for a home to remember and for people to compare with what each organisation publishes of
itself. It becomes trust only by an examiner's decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.msp import msp_config_pb2, msp_principal_pb2
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2
from google.protobuf.message import DecodeError

from evidence.digests import sha256
from evidence.errors import ConfigInvalid, Malformed
from evidence.trust import FabricTrust, Trust, parse_trust
from sdk.fabric_proposal import Message
from sdk.gateway_blocking import BlockingGateway

_APPLICATION = "Application"
_X509 = 0  # FabricMSPConfig; other kinds of MSP hide who signs


@dataclass(frozen=True, slots=True)
class Rule:
    """Organisations of which all, and of which at least one, have to endorse."""

    all: tuple[str, ...]
    any: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelWord:
    """What the peer said.

    Attributes:
        ledger_id: `fabric:<channel>:<genesis header hash>`.
        roots: organisation -> certificates (DER) that its configuration names as roots.
    """

    ledger_id: str
    chaincode: str
    roots: dict[str, tuple[bytes, ...]]
    rule: Rule

    @property
    def trust(self) -> Trust:
        """A trust file that believes just that.

        Raises:
            ConfigInvalid: no examiner could bring it, so that nothing that is anchored there could be examined.
        """
        entry = FabricTrust(
            id=self.ledger_id,
            chaincode=self.chaincode,
            msps={msp: tuple(sha256(root) for root in roots) for msp, roots in sorted(self.roots.items())},
            endorse_all=self.rule.all,
            endorse_any=self.rule.any,
            orderer_quorum=0,
            timewindow_msps=(),
        )
        trust = Trust(ledgers=(entry,))
        try:
            parse_trust(trust.canonical())
        except Malformed as error:
            raise ConfigInvalid(
                f"nobody could trust this channel as it describes itself: {error.detail}",
                where=self.ledger_id,
                next_step="every organisation of the channel needs a root certificate of its own, and the contract's "
                "endorsement rule names organisations of the channel alone; whoever runs it can change that",
            ) from error
        return trust

    @property
    def authorities(self) -> bytes:
        """The roots as PEM, one after the other."""
        certificates = (x509.load_der_x509_certificate(root) for each in self.roots.values() for root in each)
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def ask_channel(gateway: BlockingGateway, *, rule: Rule | None = None) -> ChannelWord:
    """Ask the gateway's own peer.

    Args:
        rule: who has to endorse, where the contract's rule cannot be said in these words.

    Raises:
        ConfigInvalid: the endorsement rule is of another form, or no contract is defined.
        LedgerUnavailable, Malformed: the peer does not answer, or with something else.
    """
    profile = gateway.profile
    return ChannelWord(
        ledger_id=f"fabric:{profile.channel}:{genesis_hash(gateway).hex()}",
        chaincode=profile.chaincode,
        roots=_roots(_system(gateway, "cscc", "GetChannelConfig", profile.channel.encode("utf-8"))),
        rule=rule or rule_of(_definition(gateway)),
    )


def genesis_hash(gateway: BlockingGateway, *, timeout_s: float | None = None) -> bytes:
    """Hash of the header of block 0, as the header of block 1 names it."""
    channel = gateway.profile.channel.encode("utf-8")
    try:
        data = _system(gateway, "qscc", "GetBlockByNumber", channel, b"1", timeout_s=timeout_s)
        block = common_pb2.Block.FromString(data)
    except DecodeError as error:
        raise Malformed("the peer's word about block 1 cannot be read") from error
    digest = bytes(block.header.previous_hash)
    if block.header.number != 1 or len(digest) != 32:
        raise Malformed("the peer answered with another block than block 1")
    return digest


def block_bytes(gateway: BlockingGateway, number: int) -> bytes:
    """A whole block, serialized, as the gateway's own peer keeps it."""
    channel = gateway.profile.channel.encode("utf-8")
    return _system(gateway, "qscc", "GetBlockByNumber", channel, str(number).encode("ascii"))


def configuration_block(gateway: BlockingGateway) -> bytes:
    """The block that brought the channel's configuration in force, serialized."""
    return _system(gateway, "cscc", "GetConfigBlock", gateway.profile.channel.encode("utf-8"))


def tip(gateway: BlockingGateway, *, timeout_s: float | None = None) -> tuple[int, bytes]:
    """Number and header hash of the peer's newest block."""
    channel = gateway.profile.channel.encode("utf-8")
    try:
        said = ledger_pb2.BlockchainInfo.FromString(
            _system(gateway, "qscc", "GetChainInfo", channel, timeout_s=timeout_s)
        )
    except DecodeError as error:
        raise Malformed("the peer's word about its ledger cannot be read") from error
    if said.height < 1 or len(said.currentBlockHash) != 32:
        raise Malformed("the peer's word about its ledger cannot be read")
    return int(said.height) - 1, bytes(said.currentBlockHash)


def _system(
    gateway: BlockingGateway, chaincode: str, function: str, *arguments: bytes, timeout_s: float | None = None
) -> bytes:
    own = (gateway.profile.msp,)
    return gateway.evaluate(function, *arguments, chaincode=chaincode, organisations=own, timeout_s=timeout_s)


def _roots(data: bytes) -> dict[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    try:
        application = configtx_pb2.Config.FromString(data).channel_group.groups[_APPLICATION]
        for group in application.groups.values():
            said = msp_config_pb2.MSPConfig.FromString(group.values["MSP"].value)
            if said.type != _X509:
                continue
            fabric = msp_config_pb2.FabricMSPConfig.FromString(said.config)
            roots = [x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) for pem in fabric.root_certs]
            if roots:
                found[str(fabric.name)] = tuple(roots)
    except (DecodeError, ValueError) as error:
        raise Malformed("the channel's configuration cannot be read") from error
    if not found:
        raise Malformed("the channel's configuration names no organisation with a root certificate")
    return found


def _definition(gateway: BlockingGateway) -> Message:
    """The rule of the committed contract definition, a SignaturePolicyEnvelope."""
    question = lifecycle_pb2.QueryChaincodeDefinitionArgs(name=gateway.profile.chaincode)
    answer = _system(gateway, "_lifecycle", "QueryChaincodeDefinition", question.SerializeToString())
    try:
        definition = lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(answer)
        said = policy_pb2.ApplicationPolicy.FromString(definition.validation_parameter)
    except DecodeError as error:
        raise Malformed("the contract's definition cannot be read") from error
    if said.WhichOneof("Type") != "signature_policy":
        raise _other_form("it refers to a policy of the channel")
    return said.signature_policy


def rule_of(policy: Message) -> Rule:
    """`A and B and (C or D)` as lists. Raises ConfigInvalid for rules of other forms."""
    organisations = [_organisation(each) for each in policy.identities]
    needed: list[str] = []
    choices: list[tuple[str, ...]] = []
    _take(policy.rule, organisations, needed, choices)
    if len(choices) > 1:
        raise _other_form("it leaves several choices")
    return Rule(all=tuple(sorted(set(needed))), any=tuple(sorted(set(choices[0]))) if choices else ())


def _take(rule: Message, organisations: list[str], needed: list[str], choices: list[tuple[str, ...]]) -> None:
    if rule.WhichOneof("Type") == "signed_by":
        if not 0 <= rule.signed_by < len(organisations):
            raise Malformed("the contract's endorsement rule names an organisation that it does not list")
        needed.append(organisations[rule.signed_by])
        return
    parts: Iterable[Message] = rule.n_out_of.rules
    listed = list(parts)
    if rule.n_out_of.n == len(listed) and listed:
        for part in listed:
            _take(part, organisations, needed, choices)
        return
    if rule.n_out_of.n != 1 or any(part.WhichOneof("Type") != "signed_by" for part in listed):
        raise _other_form("it counts organisations")
    choice: list[str] = []
    for part in listed:
        _take(part, organisations, choice, choices)
    choices.append(tuple(choice))


def _organisation(principal: Message) -> str:
    if principal.principal_classification != msp_principal_pb2.MSPPrincipal.Classification.Value("ROLE"):
        raise _other_form("it names single identities")
    return str(msp_principal_pb2.MSPRole.FromString(principal.principal).msp_identifier)


def _other_form(why: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"the contract's endorsement rule cannot be said as `all of …, any of …`: {why}",
        next_step="say it yourself: --endorsed-by-all MSP …, --endorsed-by-any MSP …",
    )
