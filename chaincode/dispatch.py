"""From a function's name and argument bytes to its result: the one way into the rules, on every host.

Parses strictly, finds out who calls, asks the table whether they may, runs the rule, and emits exactly one event for a
transaction that writes and none for one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chaincode import entries
from chaincode.arguments import Arguments, parse_arguments
from chaincode.deputies import acting
from chaincode.participants import founding_admin
from chaincode.roles import PLACES
from chaincode.rule import Rule, refuse
from chaincode.second_person import FIRST_ACTIVATED, rules_in_force, rules_key
from chaincode.table import TABLE, VERSION
from chaincode.world import World
from evidence.canonical import canonical
from evidence.certificates import Caller
from evidence.digests import is_ident
from evidence.errors import Malformed, Refused
from evidence.registry import ParticipantEntry


def invoke(world: World, function: str, arguments: Sequence[bytes]) -> bytes:
    """Run one transaction over `world` and return its result as canonical JSON.

    Raises:
        Refused: the contract says no; `where` names the function, the text the rule and who could do it.
        Malformed: an entry of the ledger is damaged; `where` names its key.
    """
    rule = TABLE.get(function)
    if rule is None:
        raise Refused(
            "there is no such transaction in this contract",
            reason="invalid",
            where=function[:64],
            next_step="`describe` lists them all",
        )
    try:
        parsed = parse_arguments(function, rule.arguments, arguments, document_bytes=rule.document_bytes)
        watched = _Watched(world, may_write=rule.kind == "submit")
        watched.read_ahead(_ahead(world, rule, parsed))
        actor = resolve_actor(watched, rule)
        result = canonical(rule.function(watched, actor, parsed))
    except Malformed as error:
        if error.where:
            raise  # what the ledger itself holds does not parse: nothing that the caller did
        raise Refused(error.detail, reason="invalid", where=function, next_step=error.next_step) from error
    except Refused as error:
        if error.where:
            raise
        raise Refused(error.detail, reason=error.reason, where=function, next_step=error.next_step) from error
    if watched.wrote:
        world.emit(function, _event(rule, parsed, actor=actor.id, tx_id=world.tx_id))
    return result


def event_payload(function: str, arguments: Sequence[bytes], *, actor: str, tx_id: str) -> bytes | None:
    """The event that `invoke` emits for this transaction if it writes; None for a function that this table lacks.

    An event follows from the signed transaction alone, so that a stored one can be checked.

    Raises:
        Malformed: the arguments do not parse.
    """
    rule = TABLE.get(function)
    if rule is None:
        return None
    parsed = parse_arguments(function, rule.arguments, arguments, document_bytes=rule.document_bytes)
    return _event(rule, parsed, actor=actor, tx_id=tx_id)


def _event(rule: Rule, parsed: Arguments, *, actor: str, tx_id: str) -> bytes:
    subject = parsed.text(rule.subject) if rule.subject else actor
    return canonical({"actor": actor, "name": rule.name, "subject": subject, "tx_id": tx_id})


def is_query(function: str) -> bool:
    """Tell whether `function` only reads; unknown ones do not."""
    rule = TABLE.get(function)
    return rule is not None and rule.kind == "evaluate"


def resolve_actor(world: World, rule: Rule) -> ParticipantEntry:
    """The participant who calls, after every question about them has been answered.

    Raises:
        Refused: wrong role or organisation, not registered, suspended, expired, or a certificate that no longer says
            what the registry says.
    """
    caller = world.caller
    role = caller.role
    if not rule.permits(role, caller.msp) and not rule.permits_deputy(role, caller.msp):
        raise refuse("denied", f"{rule.text}; you are {role or 'without a role'} of {caller.msp}", _who_could(rule))
    if rule.founding:
        return founding_admin(caller)
    registrar = f"an ADMIN of {caller.msp} can"
    subject = entries.participant_of_key(world, caller.public_key.key_id)
    entry = None if subject is None else entries.participant(world, subject)
    if entry is None:
        raise refuse(
            "denied",
            "only registered participants may act, and nobody is registered with your certificate's key",
            f"{registrar} register you (register_participant)",
        )
    if entry.status != "ACTIVE":
        raise refuse(
            "denied",
            f"only active participants may act, and {entry.id} is suspended",
            f"{registrar} reinstate {entry.id} (reinstate_participant)",
        )
    if entry.valid_until_us is not None and world.tx_time_us > entry.valid_until_us:
        raise refuse(
            "expired",
            f"participants may act until their registration ends, and that of {entry.id} has ended",
            f"{registrar} extend it (change_participant)",
        )
    if entry.key != caller.public_key.key_id:
        raise refuse(
            "denied",
            f"a participant acts with their newest key, and {entry.id} has another one since",
            f"use the new key of {entry.id}",
        )
    _certificate_agrees(caller, entry, registrar)
    actor = acting(world, rule, entry)
    if not rule.permits(actor.role, actor.msp):
        raise refuse(
            "denied",
            f"{rule.text}; you are {role} of {caller.msp}, and no manager's delegation to you is in force",
            f"{_who_could(rule)}, or delegate it to you (delegate)",
        )
    _check_rules(world, rule)
    return actor


def _ahead(world: World, rule: Rule, parsed: Arguments) -> Iterable[str]:
    """Keys that are going to be read whoever calls and whatever stands there.

    The participant is the key's, not the one whom the certificate names; but mostly they are the same, and then their
    entry need not be asked for in a question of its own.
    """
    if rule.founding:
        return
    yield entries.key_entry_key(world.caller.public_key.key_id)
    for part in world.caller.subject.split(","):
        if part.startswith("CN=") and is_ident(part[3:]):
            yield from entries.first_keys("participant", part[3:])
    if rule.kind == "submit":
        yield rules_key(FIRST_ACTIVATED)
    if rule.ahead is not None:
        yield from rule.ahead(parsed)


def _check_rules(world: World, rule: Rule) -> None:
    """A contract that does not know the rules in force writes nothing: organisations upgrade one after the other.

    Never by a key that follows from our own version: contracts of two versions would read different keys, and no
    transaction would find two organisations that endorse the same.
    """
    if rule.kind == "submit" and rules_in_force(world) > VERSION:
        raise refuse(
            "denied",
            f"version {rules_in_force(world)} of the rules is in force, and this contract knows version {VERSION}",
            "your organisation has to install the newer contract",
        )


def _certificate_agrees(caller: Caller, entry: ParticipantEntry, registrar: str) -> None:
    pairs = [("organisation", caller.msp, entry.msp), ("role", caller.role, entry.role)]
    # Where the certificate names a place it must still be the registered one: a certificate that outlived a move
    # would otherwise show others something that the registry denies.
    pairs += [(name, caller.attributes[name], getattr(entry, name)) for name in PLACES if name in caller.attributes]
    for name, stated, registered in pairs:
        if stated != registered:
            raise refuse(
                "denied",
                f"certificate and registry must agree: your certificate says {name} {stated}, "
                f"the registry says {registered or 'none'} for {entry.id}",
                f"have your organisation issue a certificate as registered, or {registrar} change the entry",
            )


def _who_could(rule: Rule) -> str:
    return f"{rule.who} can do this"


class _Watched:
    """The world as a rule sees it: keeps what was read ahead, notes whether anything is written, lets queries not."""

    def __init__(self, world: World, *, may_write: bool) -> None:
        self._world = world
        self._may_write = may_write
        self.wrote = False
        self._ahead: dict[str, bytes | None] = {}

    def read_ahead(self, keys: Iterable[str]) -> None:
        wanted = list(dict.fromkeys(keys))
        self._ahead = dict(zip(wanted, self._world.get_many(wanted), strict=True))

    @property
    def tx_id(self) -> str:
        return self._world.tx_id

    @property
    def tx_time_us(self) -> int:
        return self._world.tx_time_us

    @property
    def caller(self) -> Caller:
        return self._world.caller

    def get(self, key: str) -> bytes | None:
        return self._ahead[key] if key in self._ahead else self._world.get(key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        missing = [key for key in keys if key not in self._ahead]
        found = dict(zip(missing, self._world.get_many(missing), strict=True)) if missing else {}
        return [found[key] if key in found else self._ahead[key] for key in keys]

    def put(self, key: str, value: bytes) -> None:
        if not self._may_write:
            raise ValueError(f"a query tried to write {key!r}")
        self.wrote = True
        self._world.put(key, value)

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        return self._world.scan(start, end)

    def emit(self, name: str, payload: bytes) -> None:
        raise ValueError("rules do not emit: dispatch emits one event for every transaction that writes")
