"""What the examiner can do next about a verdict that leaves something open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from media.footage import Footage
from verifier.model import Finding, State

__all__ = ["LEDGER_ALONE", "after_match", "after_untrusted", "unknown_camera"]

LEDGER_ALONE = "name the home, which holds the proof as well: --home DIR instead of --ledger"

_NO_TRUST = (
    "say what you trust: --trust FILE (got elsewhere, and compared), or --trust home to take the word of the one who "
    "keeps this ledger"
)
_OTHER_KEEPER = "compare the ledger's id and operator key with what its keeper publishes: veriframe trust show"
_KEEPER_ALONE = (
    "name a witness of this ledger in the trust file; or, if you accept the keeper's word alone, have it say so: "
    "veriframe trust export --single-operator"
)
_OTHER_TIME = "name the time that the pictures are from (--from, --to), or leave it out"
_MOST_NAMED = 12


def after_untrusted(state: State, *, trust_source: str, code: str = "") -> str:
    """How proof that is not trusted could be; `code`: of the judgement that was fatal."""
    if state is not State.UNTRUSTED_PROOF:
        return ""
    if trust_source == "none":
        return _NO_TRUST
    return _KEEPER_ALONE if code == "single_operator" else _OTHER_KEEPER


def after_match(footage: Footage, findings: Iterable[Finding], *, outside: bool) -> str:
    """What to ask otherwise of a file that matches; `outside`: its pictures are not of the time named."""
    if any(finding.code == "several_video_tracks" for finding in findings):
        tracks = [track for track in footage.tracks if track.kind == "video"]
        named = " or ".join(str(track.index) for track in tracks)
        return f"say which track is meant: --track {named} (veriframe inspect lists them)"
    return _OTHER_TIME if outside else ""


def unknown_camera(camera: str, known: Sequence[str]) -> str:
    """What to say to somebody who named a camera that the ledger does not have."""
    if not known:
        return f"the ledger knows no camera {camera}, and no other one"
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"the ledger knows no camera {camera}; it knows {', '.join(sorted(known)[:_MOST_NAMED])}{more}"
