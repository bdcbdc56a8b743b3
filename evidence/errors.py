"""Every error Veriframe raises, as one tree.

    VeriframeError
    ├── Malformed                 bytes we were given do not parse
    ├── Refused                   the contract said no: denied | conflict | not_found | invalid | expired
    ├── LedgerUnavailable *       the ledger cannot be reached
    ├── EndorseFailed             the organisations asked did not agree
    ├── SubmitFailed              nothing took the transaction for ordering
    ├── CommitUnknown *           sent, outcome not known: ask again for the same transaction
    ├── CommitInvalid             ordered, but not applied (a concurrent transaction won)
    ├── StoreUnavailable *        the store cannot be reached or written
    ├── ObjectMissing             a named object is not in the store
    ├── ObjectCorrupt             a stored object is not what its name says
    ├── SourceLost *              a camera or file stopped delivering
    ├── UnsupportedMedia          readable, but not footage that can be examined
    ├── KeyUnavailable            a private key is missing, unreadable or does not fit
    ├── SpoolFull                 no room to keep what was recorded
    └── ConfigInvalid             settings or arguments do not make sense

    * retryable: the same call may succeed later.

The `code` of a class is stable: it is the contract's answer, the HTTP problem type, the metrics label and the log field
alike, and one table in `cli` maps it to an exit code. Bad evidence is not an error but a finding.
"""

from __future__ import annotations

from typing import ClassVar, Literal

RefusedReason = Literal["denied", "conflict", "not_found", "invalid", "expired"]


class VeriframeError(Exception):
    """Something that ends an operation, said so that the reader can act on it.

    Args:
        detail: what is wrong, one sentence without a line break.
        where: file, key, line or position concerned.
        next_step: what the reader can do about it.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        text = f"{self.where}: {self.detail}" if self.where else self.detail
        return f"{text} ({self.next_step})" if self.next_step else text


class Malformed(VeriframeError):
    """Bytes that came from outside do not have the form they claim."""

    code = "malformed"


class Refused(VeriframeError):
    """The contract refused a transaction; `reason` is one of a closed list."""

    code = "refused"

    def __init__(self, detail: str, *, reason: RefusedReason, where: str = "", next_step: str = "") -> None:
        super().__init__(detail, where=where, next_step=next_step)
        self.reason: RefusedReason = reason


class LedgerUnavailable(VeriframeError):
    code = "ledger_unavailable"
    retryable = True


class EndorseFailed(VeriframeError):
    code = "endorse_failed"


class SubmitFailed(VeriframeError):
    code = "submit_failed"


class CommitUnknown(VeriframeError):
    code = "commit_unknown"
    retryable = True


class CommitInvalid(VeriframeError):
    code = "commit_invalid"


class StoreUnavailable(VeriframeError):
    code = "store_unavailable"
    retryable = True


class ObjectMissing(VeriframeError):
    code = "object_missing"


class ObjectCorrupt(VeriframeError):
    code = "object_corrupt"


class SourceLost(VeriframeError):
    code = "source_lost"
    retryable = True


class UnsupportedMedia(VeriframeError):
    code = "unsupported_media"


class KeyUnavailable(VeriframeError):
    code = "key_unavailable"


class SpoolFull(VeriframeError):
    code = "spool_full"


class ConfigInvalid(VeriframeError):
    code = "config_invalid"
