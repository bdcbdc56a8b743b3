"""The contract's page, written down by hand: who may call what. Nothing here is taken from the code's own table."""

from __future__ import annotations

from collections.abc import Mapping

CONTROL, POLICE, LOCAL, AUDIT = "ControlRoomMSP", "PoliceMSP", "LocalAuthorityMSP", "AuditorMSP"
MSPS = (CONTROL, POLICE, LOCAL, AUDIT)
ROLES = ("CRM", "CRS", "OPERATOR", "RECORDER", "OWNER", "PO", "PCRO", "LAS", "AUDITOR", "ADMIN")

Who = tuple[str, str]
CRM, CRS, OPERATOR, RECORDER, OWNER = ((role, CONTROL) for role in ROLES[:5])
PO, PCRO, LAS, AUDITOR = ("PO", POLICE), ("PCRO", POLICE), ("LAS", LOCAL), ("AUDITOR", AUDIT)
ADMINS = tuple(("ADMIN", msp) for msp in MSPS)
ALL = (CRM, CRS, OPERATOR, RECORDER, OWNER, PO, PCRO, LAS, AUDITOR, *ADMINS)
KEEPERS = (CRM, CRS, OPERATOR, RECORDER, AUDITOR)

# Who succeeds on an ordinary camera of control room cr-1, at which the caller is, with requests and exhibits of others.
# OWNER, PO and PCRO may ask for cameras, and are shown none that are not theirs, granted to them or requested by them.
MAY: Mapping[str, tuple[Who, ...]] = {
    "init": (),  # only on an empty ledger
    "register_participant": (("ADMIN", CONTROL),),  # the arguments name a CRM, whom only this organisation has
    "change_participant": (("ADMIN", CONTROL),),
    "suspend_participant": (("ADMIN", CONTROL),),
    "reinstate_participant": (("ADMIN", CONTROL),),
    "rotate_participant_key": (("ADMIN", CONTROL),),
    "replace_admin": tuple(each for each in ADMINS if each[1] != LOCAL),  # the lost one is the local authority's
    "activate_rules": ADMINS,
    "delegate": (CRM,),
    "end_delegation": (CRM,),
    "propose_camera": (OPERATOR,),
    "recommend_camera": (CRS,),
    "approve_camera": (CRM,),
    "reject_camera": (CRM, CRS),
    "suspend_camera": (CRM, CRS),
    "reinstate_camera": (CRM,),
    "retire_camera": (CRM,),
    "propose_change": (OPERATOR, RECORDER),
    "approve_change": (CRM,),
    "reject_change": (CRM,),
    "revoke_key": (CRM,),
    "announce_maintenance": (OPERATOR, CRM),
    "set_policy": (CRM,),  # and CRS within bounds, of which there are none here
    "anchor": (RECORDER,),
    "grant_access": (CRM,),
    "revoke_access": (CRM,),
    "access": ALL,
    "report_incident": (PCRO, PO, LAS, OPERATOR),
    "respond_incident": (OPERATOR, CRS, CRM),
    "close_incident": (OPERATOR, CRS, CRM),
    "request_footage": (PO, PCRO, AUDITOR),
    "withdraw_request": (PO, PCRO, AUDITOR),
    "decide_request": (CRM, CRS),
    "record_disclosure": (RECORDER, CRM),
    "record_verification": (CRM, CRS, PO, PCRO, AUDITOR),
    "supersede_verification": (CRM, CRS, PO, PCRO, AUDITOR),
    "receive_exhibit": (PO, PCRO, AUDITOR),
    "lock_evidence": (PO, PCRO, CRM),
    "release_evidence": (PO, PCRO, CRM),
    "attest_leaves": (AUDITOR,),
    "describe": ALL,
    "get_genesis": ALL,
    "get_camera": (*KEEPERS, LAS),
    "find_cameras": (*KEEPERS, LAS, OWNER, PO, PCRO),
    "history_camera": (*KEEPERS, LAS),
    "find_changes": (*KEEPERS, LAS),
    "find_recommendations": (*KEEPERS, LAS),
    "find_revocations": (*KEEPERS, LAS),
    "find_maintenance": (*KEEPERS, LAS),
    "get_participant": ALL,
    "find_participants": ALL,
    "history_participant": ALL,
    "find_delegations": ALL,
    "get_policy": ALL,
    "history_policy": ALL,
    "get_block": KEEPERS,
    "find_blocks": KEEPERS,
    "find_chains": KEEPERS,
    "read_proof": KEEPERS,
    "get_batch": KEEPERS,
    "find_batches": KEEPERS,
    "find_attestations": KEEPERS,
    "find_grants": ALL,
    "find_holds": KEEPERS,
    "get_incident": (CRM, CRS, OPERATOR, PO, PCRO, LAS, AUDITOR),
    "find_incidents": (CRM, CRS, OPERATOR, PO, PCRO, LAS, AUDITOR),
    "history_incident": (CRM, CRS, OPERATOR, PO, PCRO, LAS, AUDITOR),
    "get_request": (*KEEPERS, LAS),
    "find_requests": (*KEEPERS, LAS, OWNER, PO, PCRO),
    "history_request": (*KEEPERS, LAS),
    "find_disclosures": KEEPERS,
    "get_verification": (CRM, CRS, PO, PCRO, AUDITOR),
    "find_verifications": (CRM, CRS, PO, PCRO, AUDITOR),
    "history_verification": (CRM, CRS, PO, PCRO, AUDITOR),
    "get_exhibit": (PO, PCRO, AUDITOR),
    "find_exhibits": (PO, PCRO, AUDITOR),
    "get_lock": (CRM, CRS, OPERATOR, RECORDER, PO, PCRO, AUDITOR),
    "find_locks": (CRM, CRS, OPERATOR, RECORDER, PO, PCRO, AUDITOR),
    "history_lock": (CRM, CRS, OPERATOR, RECORDER, PO, PCRO, AUDITOR),
    "find_pending": ALL,
    "get_rules": ALL,
}

# What somebody of another control room may still do with the same arguments: nothing that concerns cr-1 alone.
ELSEWHERE = frozenset(
    {
        *("access", "describe", "get_genesis", "get_participant", "find_participants", "history_participant"),
        *("find_delegations", "get_policy", "history_policy", "set_policy", "find_cameras", "find_grants"),
        *("find_incidents", "find_requests", "find_locks", "find_pending", "get_rules"),
        *("record_verification", "supersede_verification"),
        *("get_verification", "find_verifications", "history_verification"),
    }
)

# On the caller's own private camera it is the owner who decides, and nobody of the control room in their place.
PRIVATE: Mapping[str, tuple[Who, ...]] = {
    "propose_camera": (OWNER,),
    "grant_access": (OWNER,),
    "revoke_access": (OWNER,),
    "decide_request": (OWNER,),
    "get_camera": (OWNER, *KEEPERS, LAS),
    "find_blocks": (OWNER, *KEEPERS),
    "find_holds": (OWNER, *KEEPERS),
}

# What a deputy may do in the manager's place, under the deputy's own name.
DEPUTY = frozenset(
    name for name, who in MAY.items() if CRM in who and CRS not in who and name not in ("delegate", "end_delegation")
)
