"""Which command does which transaction of the contract, and which answers which question; the manual prints this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ASK = "ledger ask"

# One row for every name in the contract's table; a test holds the two against each other.
COMMAND_OF: Mapping[str, str] = MappingProxyType(
    {
        name: f"veriframe {words}"
        for words, names in (
            ("init", "init"),
            ("sample", "anchor"),
            ("participant register", "register_participant"),
            ("participant change", "change_participant"),
            ("participant suspend", "suspend_participant"),
            ("participant reinstate", "reinstate_participant"),
            ("participant rotate-key", "rotate_participant_key"),
            ("participant replace-admin", "replace_admin"),
            ("participant delegate", "delegate"),
            ("participant end-delegation", "end_delegation"),
            ("participant list", "get_participant find_participants"),
            ("participant history", "history_participant"),
            ("participant deputies", "find_delegations"),
            ("camera propose", "propose_camera"),
            ("camera recommend", "recommend_camera"),
            ("camera approve", "approve_camera"),
            ("camera reject", "reject_camera"),
            ("camera suspend", "suspend_camera"),
            ("camera reinstate", "reinstate_camera"),
            ("camera retire", "retire_camera"),
            ("camera change", "propose_change"),
            ("camera approve-change", "approve_change"),
            ("camera reject-change", "reject_change"),
            ("camera changes", "find_changes"),
            ("camera revoke-key", "revoke_key"),
            ("camera maintenance", "announce_maintenance"),
            ("camera policy", "set_policy get_policy"),
            ("camera list", "find_cameras"),
            ("camera show", "get_camera find_recommendations find_revocations find_maintenance find_chains"),
            ("camera history", "history_camera"),
            ("camera blocks", "get_block find_blocks"),
            ("access grant", "grant_access"),
            ("access revoke", "revoke_access"),
            ("access check", "access"),
            ("access list", "find_grants"),
            ("incident report", "report_incident"),
            ("incident respond", "respond_incident"),
            ("incident close", "close_incident"),
            ("incident list", "get_incident find_incidents"),
            ("incident history", "history_incident"),
            ("request create", "request_footage"),
            ("request withdraw", "withdraw_request"),
            ("request decide", "decide_request"),
            ("request disclose", "record_disclosure"),
            ("request list", "get_request find_requests"),
            ("request history", "history_request"),
            ("request disclosures", "find_disclosures"),
            ("request holds", "find_holds"),
            ("verification record", "record_verification"),
            ("verification supersede", "supersede_verification"),
            ("verification list", "get_verification find_verifications"),
            ("verification history", "history_verification"),
            ("exhibit receive", "receive_exhibit"),
            ("exhibit list", "get_exhibit find_exhibits"),
            ("lock set", "lock_evidence"),
            ("lock release", "release_evidence"),
            ("lock list", "get_lock find_locks"),
            ("lock history", "history_lock"),
            ("batch attest", "attest_leaves"),
            ("batch list", "get_batch find_batches find_attestations"),
            ("rules activate", "activate_rules"),
            ("rules show", "describe get_rules"),
            ("rules pending", "find_pending"),
            ("trust export", "get_genesis"),
            ("verify", "read_proof"),
            (_ASK, "history_policy"),
        )
        for name in names.split()
    }
)
