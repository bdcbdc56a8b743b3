"""Who there is: roles, and the organisations each of them may belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

CONTROL_ROOM = "ControlRoomMSP"
POLICE = "PoliceMSP"
LOCAL_AUTHORITY = "LocalAuthorityMSP"
AUDITOR_MSP = "AuditorMSP"
MSPS = (CONTROL_ROOM, POLICE, LOCAL_AUTHORITY, AUDITOR_MSP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role: its name in words, its organisations, and what a participant in it belongs to.

    `within` names the members of the participant entry that must be stated; all others must be null.
    """

    words: str
    msps: tuple[str, ...]
    within: tuple[str, ...] = ()


ROLES: dict[str, Role] = {
    "CRM": Role(words="control room manager", msps=(CONTROL_ROOM,), within=("control_room",)),
    "CRS": Role(words="control room supervisor", msps=(CONTROL_ROOM,), within=("control_room",)),
    "OPERATOR": Role(words="operator", msps=(CONTROL_ROOM,), within=("control_room",)),
    "RECORDER": Role(words="recorder", msps=(CONTROL_ROOM,), within=("control_room", "site")),
    "OWNER": Role(words="camera owner", msps=(CONTROL_ROOM,), within=("control_room",)),
    "PO": Role(words="police officer", msps=(POLICE,), within=("department",)),
    "PCRO": Role(words="police control room operator", msps=(POLICE,), within=("department",)),
    "LAS": Role(words="local authority staff", msps=(LOCAL_AUTHORITY,)),
    "AUDITOR": Role(words="auditor", msps=(AUDITOR_MSP,)),
    "ADMIN": Role(words="registrar", msps=MSPS),
}
# What a participant can be placed within; see `Role.within`.
PLACES = ("control_room", "department", "site")


def in_words(roles: Iterable[str]) -> str:
    """The roles as a control room says them: `a control room manager (CRM) of ControlRoomMSP or …`."""
    named = []
    for name in roles:
        role = ROLES[name]
        article = "an" if role.words[0] in "aeiou" else "a"
        home = role.msps[0] if len(role.msps) == 1 else "its own organisation"
        named.append(f"{article} {role.words} ({name}) of {home}")
    return " or ".join(named)
