"""The connection profile: where a channel's gateways are and how to speak to them. One YAML file for each organisation.

    channel: evidence
    chaincode: veriframe
    msp: ControlRoomMSP
    gateways:
      - {address: "10.0.0.5:7051", tls_root: tls/ca.pem, server_name: peer0.example}
    tls_client: {certificate: tls/client.pem, key: tls/client.key}
    endorsing_organisations: []        # empty: the gateway finds out which are needed
    deadlines: {evaluate_s: 30, endorse_s: 60, submit_s: 30, commit_s: 60, total_s: 180}

Paths are relative to the file. Who acts is not in it: identities are persons, a profile is a place.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evidence.errors import ConfigInvalid

_MAX_PROFILE_BYTES = 64 << 10


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewayAddress(_Strict):
    """A peer with a gateway. `tls_root` None: without TLS, for tests on one machine only."""

    address: str = Field(pattern=r"^[^\s/]+:[0-9]{1,5}$")
    tls_root: Path | None = None
    server_name: str | None = None


class TlsClient(_Strict):
    """What we show to a peer that asks for a client certificate."""

    certificate: Path
    key: Path


class Deadlines(_Strict):
    """How long a call may take, seconds; `total_s` bounds a submission with all its repetitions."""

    evaluate_s: float = Field(default=30, gt=0, le=3600)
    endorse_s: float = Field(default=60, gt=0, le=3600)
    submit_s: float = Field(default=30, gt=0, le=3600)
    commit_s: float = Field(default=60, gt=0, le=3600)
    total_s: float = Field(default=180, gt=0, le=86_400)


class Profile(_Strict):
    """A connection profile, as read."""

    channel: str = Field(min_length=1, max_length=249)
    chaincode: str = Field(min_length=1, max_length=64)
    msp: str = Field(min_length=1, max_length=63)
    gateways: tuple[GatewayAddress, ...] = Field(min_length=1, max_length=16)
    tls_client: TlsClient | None = None
    endorsing_organisations: tuple[str, ...] = ()
    deadlines: Deadlines = Deadlines()


def read_profile(path: Path) -> Profile:
    """The profile in a file, its paths made absolute.

    Raises:
        ConfigInvalid: not there, or a member is wrong; the text names it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_PROFILE_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"the profile cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > _MAX_PROFILE_BYTES:
        raise ConfigInvalid(f"the profile is larger than {_MAX_PROFILE_BYTES} bytes", where=str(path))
    try:
        profile = Profile.model_validate(yaml.safe_load(data))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            member = ".".join(str(part) for part in first["loc"]) or "profile"
            raise ConfigInvalid(f"{member}: {first['msg']}", where=str(path)) from error
        raise ConfigInvalid("the profile is not YAML", where=str(path)) from error
    return _absolute(profile, path.absolute().parent)


def _absolute(profile: Profile, folder: Path) -> Profile:
    gateways = tuple(
        each if each.tls_root is None else each.model_copy(update={"tls_root": folder / each.tls_root})
        for each in profile.gateways
    )
    client = profile.tls_client
    if client is not None:
        client = TlsClient(certificate=folder / client.certificate, key=folder / client.key)
    return profile.model_copy(update={"gateways": gateways, "tls_client": client})
