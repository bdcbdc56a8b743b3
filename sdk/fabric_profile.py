"""The connection profile: where a channel's gateways are and how to speak to them. One YAML file for each organisation.

    channel: evidence
    chaincode: veriframe
    msp: ControlRoomMSP
    gateways:
      - {address: "10.0.0.5:7051", tls_root: tls/ca.pem, server_name: peer0.example}
    tls_client: {certificate: tls/client.pem, key: tls/client.key}
    endorsing_organisations: []        # empty: the gateway finds out which are needed
    deadlines: {evaluate_s: 30, endorse_s: 60, submit_s: 30, commit_s: 20, total_s: 180}

Paths are relative to the file. Who acts is not in it: identities are persons, a profile is a place.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evidence.errors import ConfigInvalid
from sdk.yaml_lines import parse_document

_MAX_PROFILE_BYTES = 64 << 10


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _files_have_names(cls, value: object) -> object:
        if isinstance(value, Path) and "\0" in str(value):
            raise ValueError("a file's name holds a zero character")
        return value


def is_this_machine(host: str) -> bool:
    """Whether a host as it stands in a profile can only be the machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Address(_Strict):
    """A node. `tls_root` None: without TLS, for tests on one machine only."""

    address: str = Field(pattern=r"^[^\s/]+:[0-9]{1,5}$")
    tls_root: Path | None = None
    server_name: str | None = None

    @model_validator(mode="after")
    def _in_the_clear_at_home_only(self) -> Self:
        """A forgotten line must not send what is signed over a network in the clear, to whoever answers there."""
        if self.tls_root is None and not is_this_machine(self.address.rpartition(":")[0]):
            raise ValueError(f"tls_root is missing: {self.address} is not this machine")
        return self


class GatewayAddress(Address):
    """A peer with a gateway."""


A = TypeVar("A", bound=Address)


class TlsClient(_Strict):
    """What we show to a peer that asks for a client certificate."""

    certificate: Path
    key: Path


class Deadlines(_Strict):
    """How long a call may take, seconds; `total_s` bounds a submission with all its repetitions."""

    evaluate_s: float = Field(default=30, gt=0, le=3600)
    endorse_s: float = Field(default=60, gt=0, le=3600)
    submit_s: float = Field(default=30, gt=0, le=3600)
    # How long a status is waited for before the same envelope goes out again.
    commit_s: float = Field(default=20, gt=0, le=3600)
    total_s: float = Field(default=180, gt=0, le=86_400)


class ChannelProfile(_Strict):
    """What every client of a channel needs to know, however it reaches it."""

    channel: str = Field(min_length=1, max_length=249)
    chaincode: str = Field(min_length=1, max_length=64)
    msp: str = Field(min_length=1, max_length=63)
    tls_client: TlsClient | None = None
    endorsing_organisations: tuple[str, ...] = ()
    deadlines: Deadlines = Deadlines()


class Profile(ChannelProfile):
    """A connection profile, as read."""

    gateways: tuple[GatewayAddress, ...] = Field(min_length=1, max_length=16)


P = TypeVar("P", bound=ChannelProfile)


def read_profile(path: Path) -> Profile:
    """The profile in a file, its paths made absolute.

    Raises:
        ConfigInvalid: not there, or a member is wrong; the text names it.
    """
    profile = parse_profile(path, Profile)
    return profile.model_copy(update={"gateways": beside(path, profile.gateways)})


def parse_profile(path: Path, kind: type[P]) -> P:
    """A profile of this kind, the client's own TLS files made absolute. Raises ConfigInvalid."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_PROFILE_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"the profile cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > _MAX_PROFILE_BYTES:
        raise ConfigInvalid(f"the profile is larger than {_MAX_PROFILE_BYTES} bytes", where=str(path))
    document = parse_document(data, "the profile")
    for line, cause, fix in document.problems[:1]:
        raise ConfigInvalid(cause, where=f"{path}:{line}" if line else str(path), next_step=fix)
    try:
        profile = kind.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        member = ".".join(str(part) for part in first["loc"]) or "profile"
        raise ConfigInvalid(f"{member}: {first['msg']}", where=str(path)) from error
    client = profile.tls_client
    if client is None:
        return profile
    folder = path.absolute().parent
    client = TlsClient(certificate=folder / client.certificate, key=folder / client.key)
    return profile.model_copy(update={"tls_client": client})


def beside(path: Path, addresses: Sequence[A]) -> tuple[A, ...]:
    """The addresses of a profile with the paths in them made absolute."""
    folder = path.absolute().parent
    return tuple(
        each if each.tls_root is None else each.model_copy(update={"tls_root": folder / each.tls_root})
        for each in addresses
    )
