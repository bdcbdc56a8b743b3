"""A revocation list goes into a channel's configuration wherever its organisation stands, and grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric_protos.msp import msp_config_pb2

from evidence.errors import ConfigInvalid, Malformed
from evidence.keys import PrivateKeySigner
from network.revocation import (
    GROUPS,
    add_to_list,
    listed_serials,
    parse_configuration_block,
    read_certificate,
    serial_of,
)
from sdk.authority import Authority, make_authority
from sdk.keys import generate_key
from tests.conftest import REPOSITORY

NOW_US = 1_780_000_000_000_000
GENESIS = REPOSITORY / "tests" / "fabric" / "recorded" / "blocks" / "raft" / "00.block"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("PoliceMSP", now_us=NOW_US)


def lists(config: object, msp: str) -> list[list[bytes]]:
    """The organisation's lists in each section where it stands."""
    found = []
    for group in GROUPS:
        organisation = config.channel_group.groups[group].groups[msp]  # type: ignore[attr-defined]
        wrapped = msp_config_pb2.MSPConfig.FromString(organisation.values["MSP"].value)
        found.append(list(msp_config_pb2.FabricMSPConfig.FromString(wrapped.config).revocation_list))
    return found


def test_the_list_stands_in_every_section_and_a_later_one_names_all(authority: Authority) -> None:
    config = parse_configuration_block(GENESIS.read_bytes())
    untouched = lists(config, "AuditorMSP")
    assert lists(config, "PoliceMSP") == [[], []]
    assert add_to_list(config, "PoliceMSP", authority, {5}, NOW_US) == {5}
    assert add_to_list(config, "PoliceMSP", authority, {7}, NOW_US) == {5, 7}
    applications, orderers = lists(config, "PoliceMSP")
    assert applications == orderers  # the channel refuses two versions of one organisation
    assert len(applications) == 1
    assert listed_serials(applications) == {5, 7}
    assert lists(config, "AuditorMSP") == untouched
    before = config.SerializeToString(deterministic=True)
    assert add_to_list(config, "PoliceMSP", authority, {5}, NOW_US) == {5, 7}
    assert config.SerializeToString(deterministic=True) == before


def test_only_certificates_of_the_own_authority_are_revoked(authority: Authority, tmp_path: Path) -> None:
    key = PrivateKeySigner(generate_key()).public_key
    own = authority.issue_node(key, name="peer-police", unit="peer", now_us=NOW_US)
    assert serial_of(authority, own) > 0
    # Of the same name, and another key.
    foreign = make_authority("PoliceMSP", now_us=NOW_US).issue_node(key, name="peer-police", unit="peer", now_us=NOW_US)
    for der in (foreign, b"rubbish"):
        with pytest.raises(ConfigInvalid, match="PoliceMSP"):
            serial_of(authority, der)
    (tmp_path / "file").write_bytes(own)
    for path in (tmp_path / "file", tmp_path / "nothing"):
        with pytest.raises(ConfigInvalid, match="PEM"):
            read_certificate(path)


def test_a_block_that_is_no_configuration_is_refused() -> None:
    data = GENESIS.read_bytes()
    for bad in (b"", b"\xff\xff", data[:200]):
        with pytest.raises(Malformed):
            parse_configuration_block(bad)
