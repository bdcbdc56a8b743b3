"""The shape of one row of the table, and how a rule says no."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from chaincode.arguments import Argument, Arguments
from chaincode.roles import ROLES, in_words
from chaincode.world import World
from evidence.errors import Refused, RefusedReason
from evidence.registry import ParticipantEntry

# A rule reads and writes the world for a participant and returns what canonical JSON can hold.
RuleFunction = Callable[[World, ParticipantEntry, Arguments], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleNote:
    """Who may call a transaction, and the rule about it, as every page and interface says it.

    `roles` are role names, with "(or a deputy)" where a manager's deputy may, or "everybody"; `who` says them in words.
    """

    roles: str
    who: str
    rule: str

    @property
    def text(self) -> str:
        """All of it in one paragraph."""
        return f"Roles: {self.roles}. Rule: {self.rule}. Takes {self.who}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One transaction.

    Args:
        text: the rule in words that a control room understands; stands in refusals and in the reference.
        subject: name of the argument that names whom or what the event is about; "" for the actor.
        document_bytes: largest size of the document taken instead of named arguments; 0 for named arguments.
        founding: may run only on an empty ledger, before there are participants.
        deputy: a supervisor to whom a manager delegated may do it in the manager's place.
        ahead: keys that the rule reads, as far as the arguments alone tell them: asked for together before it runs.
            Never raises.
    """

    function: RuleFunction
    kind: Literal["submit", "evaluate"]
    roles: tuple[str, ...]
    text: str
    arguments: tuple[Argument, ...] = ()
    subject: str = ""
    document_bytes: int = 0
    founding: bool = False
    deputy: bool = True
    ahead: Callable[[Arguments], Iterable[str]] | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    def permits(self, role: str, msp: str) -> bool:
        """Role and organisation are one question: a role is worth nothing under another organisation."""
        return role in self.roles and msp in ROLES[role].msps

    def permits_deputy(self, role: str, msp: str) -> bool:
        """Whether a supervisor may do it as deputy of a manager; that there is a delegation is asked elsewhere."""
        return self.deputy and "CRM" in self.roles and role == "CRS" and msp in ROLES[role].msps

    @property
    def who(self) -> str:
        return in_words(self.roles)

    @property
    def role_note(self) -> RoleNote:
        """What documentation and interfaces say about who may do this."""
        if set(self.roles) == set(ROLES):
            return RoleNote(roles="everybody", who="any registered participant", rule=self.text)
        if self.permits_deputy("CRS", ROLES["CRS"].msps[0]) and "CRS" not in self.roles:
            roles = f"{', '.join(self.roles)} (or a deputy)"
            return RoleNote(roles=roles, who=f"{self.who}, or a supervisor as a manager's deputy", rule=self.text)
        return RoleNote(roles=", ".join(self.roles), who=self.who, rule=self.text)


def refuse(reason: RefusedReason, detail: str, who: str = "") -> Refused:
    """A refusal; `who` says who could do it, or what to do instead."""
    return Refused(detail, reason=reason, next_step=who)
