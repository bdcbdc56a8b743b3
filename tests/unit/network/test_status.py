"""A network is healthy when nothing is down, behind, apart or ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from network.status import CertificateStatus, NetworkStatus, OrdererStatus, OrganisationStatus

OWN = OrganisationStatus(
    msp="PoliceMSP",
    peer_runs=True,
    chaincode_runs=True,
    height=7,
    digest_height=6,
    state_digest="ab",
    chaincode_version="1 (sequence 1)",
    package="veriframe_1",
)
ANOTHER = replace(OWN, msp="AuditorMSP", chaincode_runs=None, package=None)  # only the auditor may ask for these
ORDERER = OrdererStatus(name="orderer-police", runs=True, takes_part=True, height=7)
FOREIGN_ORDERER = OrdererStatus(name="orderer-auditor", runs=True, takes_part=None)
CERTIFICATE = CertificateStatus(path=Path("certificate.pem"), subject="CN=peer-police", days_left=0)


def status(
    own: OrganisationStatus = OWN,
    another: OrganisationStatus = ANOTHER,
    orderers: tuple[OrdererStatus, ...] = (ORDERER, FOREIGN_ORDERER),
    certificate: CertificateStatus = CERTIFICATE,
) -> NetworkStatus:
    return NetworkStatus(organisations=(own, another), orderers=orderers, certificates=(certificate,))


def test_what_is_well_is_healthy() -> None:
    assert status().healthy


@pytest.mark.parametrize(
    "wrong",
    [
        {"state_digest": "cd"},
        {"state_digest": None, "height": None},
        {"behind": 1},
        {"chaincode_runs": False},
        {"chaincode_version": None},
        {"package": None},
    ],
)
def test_anything_wrong_with_the_own_organisation_is_not(wrong: dict[str, object]) -> None:
    assert not status(own=replace(OWN, **wrong)).healthy  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"state_digest": "cd"}, {"behind": 2}, {"state_digest": None}])
def test_nor_is_another_organisation_that_lags_or_differs(wrong: dict[str, object]) -> None:
    assert not status(another=replace(ANOTHER, **wrong)).healthy  # type: ignore[arg-type]


def test_nor_an_orderer_that_is_down_behind_or_out_of_the_channel() -> None:
    for wrong in (
        replace(ORDERER, runs=False),
        replace(ORDERER, takes_part=False, height=None),
        replace(ORDERER, behind=1),
        replace(FOREIGN_ORDERER, runs=False),
    ):
        assert not status(orderers=(wrong,)).healthy


def test_nor_a_certificate_that_has_ended() -> None:
    assert not status(certificate=replace(CERTIFICATE, days_left=-1)).healthy
