"""A `Ledger` on a Fabric channel without the Gateway, by the old Python SDK: `hfc:profile.yaml`.

For networks that predate the Gateway (Fabric 1.4 to 2.3). Everything but the single calls is the same as through the
Gateway: what is signed, what is repeated, which errors come out, and how blocks are read. The SDK itself runs in a
process and an environment of its own, which `make hfc` makes. Keys never go there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from evidence.errors import ConfigInvalid
from sdk.fabric_ledger import FabricLedger
from sdk.hfc_process import ENVIRONMENT, hfc_python
from sdk.hfc_profile import HfcProfile, read_hfc_profile
from sdk.hfc_steps import HfcSteps
from sdk.identities import Identity


class HfcLedger(FabricLedger):
    """A `Ledger` over a channel through hfc; one identity acts.

    Args:
        python: of the environment that holds hfc.
    """

    def __init__(self, profile: HfcProfile, *, identity: Identity, python: Path, clock: Callable[[], int]) -> None:
        super().__init__(
            profile,
            identity=identity,
            clock=clock,
            steps=lambda: HfcSteps(profile, identity, python=python, clock=clock),
        )


def open_hfc(url: str, *, identity: Identity, clock: Callable[[], int]) -> HfcLedger:
    """Open `hfc:path/to/profile.yaml`. Raises ConfigInvalid; peers are only spoken to when something is asked."""
    scheme, _, path = url.partition(":")
    if scheme != "hfc" or not path:
        raise ConfigInvalid("this is not an hfc ledger's address", where=url, next_step="use hfc:profile.yaml")
    profile = read_hfc_profile(Path(path))
    python = hfc_python(os.environ, Path.home())
    if python is None:
        raise ConfigInvalid(
            "hfc's environment is not there", where=url, next_step=f"make hfc, or name its folder in {ENVIRONMENT}"
        )
    return HfcLedger(profile, identity=identity, python=python, clock=clock)
