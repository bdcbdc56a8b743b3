"""Exit codes, and how an error is said: what, where, next step; never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType

from evidence import errors

USAGE = 2
INTERNAL = 1
INTERRUPTED = 130

EXIT_CODES: Mapping[type[errors.VeriframeError], int] = MappingProxyType(
    {
        errors.Malformed: 3,
        errors.UnsupportedMedia: 3,
        errors.Refused: 4,
        errors.LedgerUnavailable: 5,
        errors.CommitUnknown: 5,
        errors.StoreUnavailable: 5,
        errors.SourceLost: 5,
        errors.EndorseFailed: 6,
        errors.SubmitFailed: 6,
        errors.CommitInvalid: 6,
        errors.ObjectMissing: 6,
        errors.ObjectCorrupt: 6,
        errors.KeyUnavailable: 6,
        errors.SpoolFull: 6,
        errors.ConfigInvalid: USAGE,
    }
)
"""Outside `verify`, whose codes are its states: one row per class of the tree in evidence/errors.py."""

MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        0: "done; `verify`: VERIFIED; `demo`: every expectation held",
        INTERNAL: "internal error, or an expectation of `demo` or a check of `doctor` and `store fsck` did not hold",
        USAGE: "wrong usage, wrong settings, or a file that is not there",
        3: "malformed: bytes that do not have the form they claim, or a file that is not usable footage",
        4: "refused by the rules; the message names the rule and who could do it",
        5: "something is away and may come back; the same command may succeed later",
        6: "key, spool, store or network",
        INTERRUPTED: "interrupted",
    }
)
"""What a code outside `verify` says; the manual prints this table."""

_OS_NEXT_STEPS: Mapping[int, str] = MappingProxyType(
    {
        errno.EACCES: "check who may read and write there",
        errno.EPERM: "check who may read and write there",
        errno.EROFS: "choose a folder that can be written, for example with --home",
        errno.ENOSPC: "free some space, then run the same command again; nothing that was acknowledged is lost",
        errno.EDQUOT: "free some space, then run the same command again; nothing that was acknowledged is lost",
        errno.ENOENT: "check the path",
        errno.ENOTDIR: "check the path",
        errno.EISDIR: "name a file",
        errno.EMFILE: "raise the limit on open files (ulimit -n)",
        errno.EEXIST: "choose another name, or add --force",
    }
)


def exit_code(error: BaseException) -> int:
    """The exit code for an error outside `verify`."""
    for kind in type(error).__mro__:
        if kind in EXIT_CODES:
            return EXIT_CODES[kind]
    if isinstance(error, OSError):
        return USAGE if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST) else 6
    return INTERNAL


def say_error(error: BaseException) -> None:
    """Print what went wrong to stderr, in up to three lines: what, where, next step."""
    what, where, next_step = _told(error)
    lines = [f"error: {what}"]
    if where:
        lines.append(f"  where: {where}")
    if next_step:
        lines.append(f"  next:  {next_step}")
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201 - the one place that speaks without a console


def _told(error: BaseException) -> tuple[str, str, str]:
    if isinstance(error, errors.VeriframeError):
        return error.detail, error.where, error.next_step
    if isinstance(error, OSError) and error.errno is not None:
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        return (error.strerror or "system error").lower(), where, _OS_NEXT_STEPS.get(error.errno, "")
    if isinstance(error, MemoryError):
        return "not enough memory", "", "close other programs, or examine a shorter file"
    kind = type(error).__name__
    next_step = "this is a defect of Veriframe; please report it with this line and the output of `veriframe doctor`"
    return f"internal error ({kind}: {_one_line(str(error))})", _position(error), next_step


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def _position(error: BaseException) -> str:
    """The innermost line of ours that the error passed through."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        place = f"{name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place
