"""Collecting signed reads: what several organisations say together about ranges of ledger keys, as documents to keep.

A signed read is the question `read_proof` endorsed and never sent to the orderers. A peer keeps the keys of a range one
by one only up to 50 of them, so ranges are split before they are asked: slots by their numbers, all others by the keys
that a plain question names first. Nothing that is asked here is believed here: the verifier judges the documents.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from evidence.canonical import canonical, parse_canonical
from evidence.errors import ConfigInvalid, LedgerUnavailable, Malformed, Refused
from evidence.fabric_read import SignedRead, parse_signed_read, signed_read_document
from evidence.proof_ranges import (
    MAX_ENTRIES,
    MAX_RANGES,
    MAX_RAW_READS,
    READ_FUNCTION,
    KeyRange,
    joined,
    owner_of,
    request,
    whole_range,
)
from evidence.records import MAX_SLOT_NUMBER
from sdk.fabric_proposal import Proposal, Transaction

# Room for entries that are written between the plain question and the signed one.
_SPLIT_AT = MAX_RAW_READS - 10
# Ranges, and a tenth of the entries, that a page leaves to slots before what can stand elsewhere is moved out.
_ROOM = 12
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
_ANSWER_BYTES = 16 << 20
_MAX_CUTS = 72  # each by a further character, which names of at most 63 do not outlast
_NUMBERED = re.compile(r"[0-9]{10}")
# Characters of keys in their order, to cut a range whose keys nobody could list at once.
_ALPHABET = "-/0123456789abcdefghijklmnopqrstuvwxyz"

Wait = Callable[[float], None]
Entry = tuple[str, bytes]
"""Key and value."""


class Behind(LedgerUnavailable):
    """The peers answered, and do not show what is known to stand on the ledger."""


class Endorser(Protocol):
    """What collecting needs of a gateway client (sdk/gateway_blocking.py)."""

    def evaluate(self, function: str, *arguments: bytes) -> bytes: ...

    def propose(self, function: str, *arguments: bytes, organisations: Sequence[str] | None = None) -> Proposal: ...

    def endorse(self, proposal: Proposal) -> Transaction: ...


class Slots(NamedTuple):
    """Slots `first` to `last` of one chain of a camera, both included."""

    chain: int
    first: int
    last: int


class Run(NamedTuple):
    """Slots `first` to `last` of one chain; `to_end`: nothing stands behind them, which shall be shown."""

    chain: int
    first: int
    last: int
    to_end: bool


class Batches(NamedTuple):
    """Sealed batches `first` to `last` of one recorder, both included."""

    site: str
    recorder: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A range that leaves raw reads, and how many keys it may hold at most."""

    range: KeyRange
    most: int


def ranges_for(
    camera: str, slots: Iterable[Slots], *, room: str, batches: Iterable[Batches] = (), others: Iterable[Slots] = ()
) -> tuple[KeyRange, ...]:
    """Everything that one proof about these slots has to show, in the order in which it is asked.

    Args:
        slots: of the chains concerned; each is widened by one at both ends, which shows what stands beside it.
        room: the camera's control room, whose policies counted.
        batches: sealed batches that hold such slots; each run is widened likewise.
        others: of the camera's other chains, what stands next to the interval; taken as it is.
    """
    ranges = [whole_range("genesis"), *(whole_range(kind) for kind in ("participant", "delegation"))]
    ranges += [whole_range("pending/replace-admin"), KeyRange(f"policy/{room}/", f"policy/{room}0")]
    ranges += [whole_range(kind, camera) for kind in ("camera", "change", "revocation", "chain")]
    ranges += joined(
        [
            *(slot_range(camera, Slots(each.chain, max(0, each.first - 1), each.last + 1)) for each in slots),
            *(slot_range(camera, each) for each in others),
        ]
    )
    return *ranges, *batch_ranges(batches)


def slot_range(camera: str, slots: Slots) -> KeyRange:
    return _numbers(f"block/{camera}/{slots.chain:010d}", slots.first, slots.last)


def batch_ranges(batches: Iterable[Batches]) -> tuple[KeyRange, ...]:
    """Runs of sealed batches, each with one more at both ends."""
    return joined(
        [_numbers(f"root/{each.site}/{each.recorder}", max(0, each.first - 1), each.last + 1) for each in batches]
    )


def _numbers(stem: str, first: int, last: int) -> KeyRange:
    """Keys `stem`/first to `stem`/last; one more than ten digits can say is the end of the stem."""
    end = f"{stem}0" if last >= MAX_SLOT_NUMBER else f"{stem}/{last + 1:010d}"
    return KeyRange(f"{stem}/{first:010d}", end)


def collect(
    gateway: Endorser,
    ranges: Iterable[tuple[str, str]],
    *,
    organisations: Sequence[str] | None = None,
    shows: Iterable[str] = (),
    wait: Wait = time.sleep,
) -> list[bytes]:
    """Signed reads that together hold every key of `ranges`: as few documents as the limits allow, mostly one.

    Args:
        organisations: whose endorsements are wanted; None: as the profile says, else as the contract's rule needs.
        shows: keys known to be on the ledger; a read without them comes from peers that are behind, and is asked again.
        wait: sleeps, seconds.

    Raises:
        Refused: the contract does not show this to the identity that asks.
        LedgerUnavailable: peers were away, or still differed after several attempts.
        Malformed: what came back is no signed read. EndorseFailed, ConfigInvalid: see `Gateway.endorse`.
    """
    expected = set(shows)
    documents = []
    for part in split(gateway, ranges):
        wanted = {key for key in expected if any(start <= key < end for start, end in part)}
        documents.append(_signed(gateway, part, organisations, wanted, wait).document)
    return documents


def collect_pages(
    gateway: Endorser,
    camera: str,
    runs: Sequence[Run],
    core: Iterable[tuple[str, str]],
    others: Iterable[tuple[str, str]] = (),
    *,
    newest: KeyRange,
    shows: Iterable[str] = (),
    wait: Wait = time.sleep,
) -> list[bytes]:
    """Signed reads of a camera's slots, each with all of `core` and as many of the slots as it has room for.

    What judges the slots stands in the same read, so that it cannot be older than they are. Each run is one slot wider
    at both ends.

    Args:
        core: the registry around the camera and what else goes with every slot; see `ranges_for`.
        others: what has to be as new as the newest slot, in the same read or not; where it does not fit, it goes into
            reads of its own, with `newest`.
        newest: a range that holds what was written last.
        shows, wait: as for `collect`, whose errors this raises as well.

    Raises:
        ConfigInvalid: `core` alone is more than one read can show.
    """
    fixed, beside = (list(_pieces(gateway, in_order(each))) for each in (core, others))
    own = [piece for run in runs for piece in _run_pieces(camera, run)]
    if not _leave_room([*fixed, *beside], own):
        if not _leave_room(fixed, own):
            raise ConfigInvalid(
                f"the registry around camera {camera} is more than the {MAX_ENTRIES} entries that one read can show",
                next_step="begin a new channel, or suspend nobody and register fewer people on this one",
            )
        parts = [*_packed(own, fixed), *_packed(beside, list(_pieces(gateway, [newest])))]
    else:
        parts = list(_packed(own, [*fixed, *beside]))
    expected = set(shows)
    documents = []
    for part in parts:
        wanted = {key for key in expected if any(start <= key < end for start, end in part)}
        documents.append(_signed(gateway, part, None, wanted, wait).document)
    return documents


def _run_pieces(camera: str, run: Run) -> Iterator[_Piece]:
    stem = f"block/{camera}/{run.chain:010d}"
    first, last = max(0, run.first - 1), min(run.last + 1, MAX_SLOT_NUMBER)
    for start in range(first, last + 1, _SPLIT_AT):
        end = min(last, start + _SPLIT_AT - 1)
        piece = _numbers(stem, start, end)
        yield _Piece(KeyRange(piece.start, f"{stem}0") if run.to_end and end == last else piece, end - start + 1)


def _leave_room(fixed: Sequence[_Piece], own: Sequence[_Piece]) -> bool:
    """Whether a page with `fixed` still holds a good many slots."""
    ranges_left, entries_left = MAX_RANGES - len(fixed), MAX_ENTRIES - sum(piece.most for piece in fixed)
    return ranges_left >= min(len(own), _ROOM) and entries_left >= min(sum(piece.most for piece in own), _ROOM * 10)


def in_order(ranges: Iterable[tuple[str, str]]) -> list[KeyRange]:
    """The same keys in as few ranges as possible, in the order in which they were first named."""
    asked = list(ranges)
    places = {each: index for index, each in reversed(list(enumerate(asked)))}
    return sorted(
        joined(asked), key=lambda whole: min(at for each, at in places.items() if whole.start <= each[0] < whole.end)
    )


def split(gateway: Endorser, ranges: Iterable[tuple[str, str]]) -> Iterator[list[KeyRange]]:
    """`ranges` as questions that peers answer key by key, each of at most 64 ranges and 1,000 entries."""
    return _packed(_pieces(gateway, in_order(ranges)))


def _signed(
    gateway: Endorser, part: Sequence[KeyRange], organisations: Sequence[str] | None, wanted: set[str], wait: Wait
) -> SignedRead:
    """One signed read. Peers reach a block at different moments: for a while they answer differently, or refuse."""
    question = request(part)
    for pause_s in (*_PAUSES_S, None):
        try:
            endorsed = gateway.endorse(gateway.propose(READ_FUNCTION, question, organisations=organisations))
            read = parse_signed_read(signed_read_document(endorsed.message))
            _check_signatures(read)
            if wanted <= read.entries.keys():
                return read
            lacking = min(wanted - read.entries.keys())
            trouble: LedgerUnavailable | Refused = Behind(
                "the organisations' peers do not show this entry yet", where=lacking, next_step="try again"
            )
        except (LedgerUnavailable, Refused) as error:
            trouble = error
        if pause_s is None:
            raise trouble
        wait(pause_s)
    raise AssertionError("the last attempt returns or raises")


def _check_signatures(read: SignedRead) -> None:
    """Whether signers are believed is an examiner's question; what nobody signed is not worth keeping."""
    named = {identity.serialized: identity.msp for identity, _ in read.transaction.endorsements}
    missing = named.keys() - {identity.serialized for identity in read.transaction.signers()}
    if missing:
        raise Malformed(
            f"the gateway handed over an endorsement that {named[min(missing)]} did not give", where="signed read"
        )


def _packed(pieces: Iterable[_Piece], fixed: Sequence[_Piece] = ()) -> Iterator[list[KeyRange]]:
    """The ranges in runs that one read can hold, each behind those that are `fixed`."""
    always, room = [piece.range for piece in fixed], MAX_ENTRIES - sum(piece.most for piece in fixed)
    part: list[KeyRange] = []
    left = room
    for piece in pieces:
        if part and (piece.most > left or len(always) + len(part) == MAX_RANGES):
            yield always + part
            part, left = [], room
        part.append(piece.range)
        left -= piece.most
    if part:
        yield always + part


def _pieces(gateway: Endorser, ranges: Sequence[KeyRange]) -> Iterator[_Piece]:
    """The ranges cut so that each leaves raw reads; those whose keys must be asked for are asked for together."""
    unknown = [each for each in ranges if _counted(each) is None]
    keys = _keys(gateway, unknown)
    for each in ranges:
        counted = _counted(each)
        yield from _by_keys(each, keys[each]) if counted is None else _by_number(*counted)


def _counted(asked: KeyRange) -> tuple[str, int, int] | None:
    """(stem, first, last) where a range of slots or batches says by its ends how many keys it can hold."""
    stem, _, first = asked.start.rpartition("/")
    if owner_of(asked).kind not in ("block", "root") or not _NUMBERED.fullmatch(first):
        return None
    beside, _, end = asked.end.rpartition("/")
    if beside != stem or not _NUMBERED.fullmatch(end):
        return None
    if stem.startswith("block/") and stem.count("/") != 2:
        return None  # numbers of chains, each of which holds slots without end
    return stem, int(first), int(end) - 1


def _by_number(stem: str, first: int, last: int) -> Iterator[_Piece]:
    for start in range(first, last + 1, MAX_RAW_READS):
        end = min(last, start + MAX_RAW_READS - 1)
        yield _Piece(_numbers(stem, start, end), end - start + 1)


def _by_keys(asked: KeyRange, keys: Sequence[str]) -> Iterator[_Piece]:
    bounds = [asked.start, *keys[_SPLIT_AT::_SPLIT_AT], asked.end]
    for index, (start, end) in enumerate(pairwise(bounds)):
        held = len(keys[index * _SPLIT_AT : (index + 1) * _SPLIT_AT])
        # A little more than there is: what is written meanwhile must not make the read too large.
        yield _Piece(KeyRange(start, end), min(held + 3, MAX_RAW_READS))


def _keys(gateway: Endorser, ranges: Sequence[KeyRange]) -> dict[KeyRange, list[str]]:
    """The keys that stand in each range now, by a plain question: nothing that proves anything."""
    found: dict[KeyRange, list[Entry]] = {}
    if 0 < len(ranges) <= MAX_RANGES:
        try:
            found = _asked(gateway, ranges)
        except Refused as error:
            if error.reason != "invalid":
                raise
    for each in ranges:
        if each not in found:
            found[each] = plain_entries(gateway, each)
    return {each: [key for key, _ in entries] for each, entries in found.items()}


def plain_entries(gateway: Endorser, asked: KeyRange) -> list[Entry]:
    """What stands in a range now, as the gateway's peer answers; where it is too much for one answer, in parts.

    Raises:
        Refused: not shown to the identity that asks. LedgerUnavailable, Malformed.
    """
    return _in_parts(gateway, asked, _MAX_CUTS)


def _in_parts(gateway: Endorser, asked: KeyRange, cuts: int) -> list[Entry]:
    try:
        return _asked(gateway, [asked])[asked]
    except Refused as error:
        # Whoever turns down a range without content for any length of key would be asked for ever.
        parts = _parts(asked) if error.reason == "invalid" and cuts else []
        if len(parts) < 2:
            raise
    return [entry for part in parts for entry in _in_parts(gateway, part, cuts - 1)]


def _parts(asked: KeyRange) -> list[KeyRange]:
    """A range cut behind what its keys have in common, by the next character."""
    stem = 0
    last = _before(asked.end)
    while stem < min(len(asked.start), len(last)) and asked.start[stem] == last[stem]:
        stem += 1
    common = asked.start[:stem]
    for beginning in (common, asked.start):  # the last part of a range has nothing behind its own beginning
        inner = [beginning + each for each in _ALPHABET if asked.start < beginning + each < asked.end]
        if inner:
            break
    return [KeyRange(start, end) for start, end in pairwise([asked.start, *inner, asked.end])]


def _before(end: str) -> str:
    """What the keys of a range that ends with a prefix begin with: `camera/gate-10` ends `camera/gate-1/`."""
    place = _ALPHABET.find(end[-1])
    return end[:-1] + (_ALPHABET[place - 1] if place > 0 else "")


def _asked(gateway: Endorser, ranges: Sequence[KeyRange]) -> dict[KeyRange, list[Entry]]:
    data = gateway.evaluate(READ_FUNCTION, request(ranges))
    answer = parse_canonical(data, "answer of the peer", limit=_ANSWER_BYTES)
    try:
        shown = [
            [(str(each["key"]), canonical(each["value"])) for each in said["entries"]] for said in answer["ranges"]
        ]
    except (TypeError, KeyError) as error:
        raise Malformed("the peer answered something else than entries of ranges") from error
    if len(shown) != len(ranges):
        raise Malformed("the peer answered for other ranges than were asked")
    return dict(zip(ranges, shown, strict=True))
