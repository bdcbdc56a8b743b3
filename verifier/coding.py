"""What stands beside equal picture data and changes what is seen: parameter sets, side data, earlier pictures."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from media.footage import Footage
from media.side import ENDINGS
from verifier.model import Op, Span
from verifier.recorded import Recorded
from verifier.script import NOWHERE, Script

__all__ = ["affected_units", "header_units", "side_units"]

EQUAL = frozenset({Op.SAME, Op.REORDERED, Op.DUPLICATED, Op.REPLAYED, Op.FOREIGN})
"""Operations of pictures whose digest stands in some record."""

SPOILS = frozenset(
    {Op.MODIFIED, Op.DAMAGED, Op.INSERTED, Op.FOREIGN, Op.REPLAYED, Op.REENCODED, Op.UNKNOWN}
)  # fmt: skip
"""Operations of pictures that what follows was not coded from."""

ENTRY, LEADING = 1, 2


NO_TAG = hashlib.sha256().digest()
"""The context of a coding without headers whose container names it as usual, or not at all."""


def header_units(script: Script, footage: Footage) -> tuple[list[int], list[int], bool]:
    """Return the units decoded by other parameter sets than recorded, and those whose sets file or record lacks.

    A file cut out of a stream may lack sets until the next entry brings them; sets that are lacking behind an entry
    that had its own were taken out. A decoder's header that cannot be read here may hold others that some player reads.
    A tag that decoders heed is lost with containers that have none: then it lacks, too.

    Returns:
        Also whether no picture that is shown could be compared.
    """
    entered = "damaged_header" in footage.notes
    unseen = {unit for first, last in (*footage.hidden, *footage.preroll) for unit in range(first, last + 1)}
    blind = True
    contexts: dict[int, list[bytes | None]] = {}
    changed: list[int] = []
    lacking: list[int] = []
    for unit, context in enumerate(_spread(footage.headers, footage.count)):
        entered |= context is not None and footage.clean[unit] == ENTRY
        if script.ops[unit] not in EQUAL:
            continue
        index, position = script.source[unit]
        if index not in contexts:
            contexts[index] = _contexts(script.sources[index])
        recorded = contexts[index][position]
        if context is None or recorded is None:
            if context is None and recorded is not None and entered:
                changed.append(unit)
            elif context is not recorded:
                lacking.append(unit)
        elif context != recorded and context == NO_TAG:
            lacking.append(unit)
        else:
            blind &= unit in unseen
            if context != recorded:
                changed.append(unit)
    return changed, lacking, blind


def _contexts(record: Recorded) -> list[bytes | None]:
    return [
        context
        for segment in record.segments
        if segment.count
        for context in _spread(segment.headers, segment.count)
    ]  # fmt: skip


def _spread(headers: Sequence[tuple[int, bytes | None]], count: int) -> Iterator[bytes | None]:
    """Yield the context of every unit."""
    current: bytes | None = None
    behind = 0
    for at, context in (*headers, (count, None)):
        for _ in range(behind, min(at, count)):
            yield current
        behind, current = max(behind, at), context


def side_units(script: Script, footage: Footage) -> tuple[dict[int, list[str]], list[int]]:
    """Compare side data as sets of (unit, digest).

    Returns:
        Units whose side data changed, with what happened (`added`, `dropped`), and units where only user messages did.
    """
    shown: dict[int, dict[bytes, bool]] = defaultdict(dict)
    for side in footage.sides:
        shown[side.unit][side.digest] = side.user
    recorded = {index: _sides(record) for index, record in enumerate(script.sources)}
    concerned = set(shown)
    for unit, (index, position) in enumerate(script.source):
        if index >= 0 and position in recorded[index]:
            concerned.add(unit)
    changed: dict[int, list[str]] = {}
    user: list[int] = []
    for unit in sorted(concerned):
        of_file = shown.get(unit, {})
        if unit >= footage.count:
            # Behind the last picture: what the record has at the next one is no loss of an excerpt.
            unit = footage.count - 1
            behind = _behind(script, recorded, unit)
            if behind is None:
                continue
            of_record = {digest: flag for digest, flag in behind.items() if digest in of_file}
        elif script.ops[unit] in EQUAL:
            index, position = script.source[unit]
            of_record = recorded[index].get(position, {})
            if unit == 0 or script.source[unit - 1] != (index, position - 1):
                # What ends a sequence stands with the picture before it, and that one is not here.
                of_record = {d: flag for d, flag in of_record.items() if d not in ENDINGS or d in of_file}
                # And where that picture is here, before another one than recorded, its end may still stand with it.
                ends = (_behind(script, recorded, unit - 1) or {}) if unit else {}
                of_record |= {d: flag for d, flag in ends.items() if d in ENDINGS and d in of_file}
        else:
            continue
        happened = []
        if any(not flag for digest, flag in of_file.items() if digest not in of_record):
            happened.append("added")
        if any(not flag for digest, flag in of_record.items() if digest not in of_file):
            happened.append("dropped")
        if happened:
            changed[unit] = sorted({*changed.get(unit, ()), *happened})
        elif of_file.keys() != of_record.keys():
            user.append(unit)
    return changed, user


def _sides(record: Recorded) -> Mapping[int, dict[bytes, bool]]:
    """Side data by the position of the picture that follows; behind the last one: the count."""
    found: dict[int, dict[bytes, bool]] = defaultdict(dict)
    for base, segment in zip(record.bases, record.segments, strict=True):
        for side in segment.sides:
            found[base + side.index][side.digest] = side.user
    return dict(found)


def _behind(
    script: Script, recorded: Mapping[int, Mapping[int, dict[bytes, bool]]], unit: int
) -> dict[bytes, bool] | None:
    """What the record has behind the picture that stands at `unit`; None where that one equals no recorded picture."""
    if not script.ops or script.ops[unit] not in EQUAL:
        return None
    index, position = script.source[unit]
    return recorded[index].get(position + 1, {})


def affected_units(script: Script, footage: Footage, changed: set[int]) -> list[int]:
    """Return units that are coded as recorded but decoded from pictures that are not, up to the next clean entry.

    Args:
        changed: units whose parameter sets or side data differ.
    """
    lost = _lost_before(script.missing)
    spoilt = before_entry = False
    found: list[int] = []
    for unit, op in enumerate(script.ops):
        position = script.place[unit]
        loss = op is Op.SAME and position in lost
        clean = footage.clean[unit]
        if clean == ENTRY:
            before_entry, spoilt = spoilt or loss, False
        elif clean == LEADING:
            before_entry |= loss
        else:
            spoilt |= loss
        if op is Op.SAME and unit not in changed and (spoilt or (clean == LEADING and before_entry)):
            found.append(unit)
        if op in SPOILS or unit in changed:
            spoilt = True
    return found


def _lost_before(missing: Sequence[Span]) -> set[int]:
    """Positions whose predecessor in the record is missing."""
    return {last + 1 for _, last in missing} - {NOWHERE}
