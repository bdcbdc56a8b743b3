"""Reading records: total, bounded, and refusing whatever `records` would not write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from evidence.canonical import MAX_INTEGER, Fields, integers, parse_canonical
from evidence.errors import Malformed
from evidence.records import (
    CLOCK_SOURCES,
    GAP_CAUSES,
    GAP_TYPE,
    KEPT,
    MAX_RECORD_BYTES,
    MAX_SIDE_LENGTH,
    MAX_SLOT_NUMBER,
    MAX_UNITS,
    NOTE_CAUSES,
    SEGMENT_TYPE,
    TAPS,
    Beacon,
    Clock,
    Display,
    GapRecord,
    HeaderAt,
    Media,
    Note,
    Record,
    SegmentRecord,
    Tree,
    Units,
)

_COMMON_NAMES = (
    *("type", "camera", "site", "ip", "enrolment", "key", "chain", "sequence", "previous", "start_us", "end_us"),
    *("sealed_us", "received_us", "tap", "clock", "connection", "policy", "beacon", "recorder", "extra", "units"),
)
_SEGMENT_NAMES = (
    *_COMMON_NAMES,
    *("codec", "width", "height", "display", "headers", "side", "samples", "sound", "renditions"),
    *("kept", "media", "notes"),
)
_GAP_NAMES = (*_COMMON_NAMES, "cause", "detected_us", "step_us")


def parse_record(data: bytes) -> Record:
    """Read a segment or gap record from its canonical bytes.

    Raises:
        Malformed: not canonical, an unknown member or type, or values that contradict each other.
    """
    value = parse_canonical(data, "record", limit=MAX_RECORD_BYTES)
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == SEGMENT_TYPE:
        return _segment(Fields(value, "segment record", _SEGMENT_NAMES))
    if kind == GAP_TYPE:
        return _gap(Fields(value, "gap record", _GAP_NAMES))
    raise Malformed(f"record has the unknown type {str(kind)[:64]!r}", next_step="a newer Veriframe may know it")


def _common_fields(f: Fields) -> dict[str, Any]:
    recorder = Fields(f.raw("recorder"), "record: recorder", ("software", "decoder"))
    extra = f.raw("extra")
    if not isinstance(extra, dict):
        raise Malformed("record: 'extra' is not an object")
    start_us, end_us = f.integer("start_us"), f.integer("end_us")
    if end_us < start_us:
        raise Malformed("record ends before it starts")
    return {
        "camera": f.ident("camera"),
        "site": f.ident("site"),
        "ip": f.text("ip", limit=64),
        "enrolment": f.digest("enrolment"),
        "key": f.digest("key").hex(),
        "chain": f.integer("chain", 0, MAX_SLOT_NUMBER),
        "sequence": f.integer("sequence", 0, MAX_SLOT_NUMBER),
        "previous": f.optional("previous", f.digest),
        "start_us": start_us,
        "end_us": end_us,
        "sealed_us": f.integer("sealed_us"),
        "received_us": f.integer("received_us"),
        "tap": f.choice("tap", TAPS),
        "clock": _clock(Fields(f.raw("clock"), "record: clock", Clock.__slots__)),
        "connection": f.integer("connection"),
        "policy": f.digest("policy"),
        "beacon": f.optional("beacon", lambda name: _beacon(f.raw(name))),
        "software": recorder.text("software", limit=128),
        "decoder": recorder.text("decoder", limit=128),
        "extra": extra,
    }


def _clock(f: Fields) -> Clock:
    return Clock(
        source=f.choice("source", CLOCK_SOURCES),
        offset_us=f.integer("offset_us", -MAX_INTEGER),
        uncertainty_us=f.optional("uncertainty_us", f.integer),
        boot=f.text("boot", limit=64),
        mono_us=f.integer("mono_us"),
        mono_end_us=f.integer("mono_end_us"),
        camera_us=f.optional("camera_us", f.integer),
    )


def _beacon(value: object) -> Beacon:
    f = Fields(value, "record: beacon", ("ledger", "height", "hash"))
    return Beacon(ledger=f.text("ledger", limit=256), height=f.integer("height"), hash=f.digest("hash"))


def _display(value: object) -> Display:
    f = Fields(value, "record: display", ("rotate", "mirror", "sar", "crop", "colour"))
    rotate = f.integer("rotate", 0, 270)
    if rotate % 90:
        raise Malformed("record: display is rotated by other than a quarter turn")
    numerator, denominator = integers(f.raw("sar"), "record: sar", 2, 1, 1 << 31)
    left, top, right, bottom = integers(f.raw("crop"), "record: crop", 4, 0, MAX_SIDE_LENGTH)
    primaries, transfer, matrix, full = integers(f.raw("colour"), "record: colour", 4, 0, 255)
    return Display(
        rotate=rotate,
        mirror=f.boolean("mirror"),
        sar=(numerator, denominator),
        crop=(left, top, right, bottom),
        colour=(primaries, transfer, matrix, full),
    )


def _tree(value: object, what: str, limit: int) -> Tree:
    f = Fields(value, f"record: {what}", ("count", "root"))
    return Tree(count=f.integer("count", 0, limit), root=f.digest("root"))


def _media(value: object) -> Media:
    f = Fields(value, "record: media", ("bytes", "sha256", "object"))
    return Media(size_bytes=f.integer("bytes"), sha256=f.digest("sha256"), object=f.digest("object"))


def _ascending(values: list[int], what: str, limit: int) -> None:
    if any(b <= a for a, b in pairwise(values)) or (values and values[-1] >= limit):
        raise Malformed(f"record: {what} are not in ascending order within the segment")


def _headers(listed: list[Any], count: int) -> tuple[HeaderAt, ...]:
    headers = []
    for entry in listed:
        f = Fields(entry, "record: header", ("at", "sha256"))
        headers.append(HeaderAt(at=f.integer("at"), sha256=f.optional("sha256", f.digest)))
    _ascending([h.at for h in headers], "headers", count)
    if headers and headers[0].at != 0:
        raise Malformed("record: the first header does not stand at the first unit")
    return tuple(headers)


def _sound(value: object) -> Mapping[str, Any]:
    f = Fields(value, "record: sound", ("codec", "rate", "channels", "count", "root"))
    return {
        "codec": f.text("codec", limit=32),
        "rate": f.integer("rate", 1, 1 << 24),
        "channels": f.integer("channels", 1, 64),
        "count": f.integer("count", 0, MAX_UNITS),
        "root": f.digest("root").hex(),
    }


def _rendition(value: object, read_headers: Callable[[list[Any]], tuple[HeaderAt, ...]]) -> Mapping[str, Any]:
    f = Fields(value, "record: rendition", ("name", "headers", "units", "regions"))
    f.ident("name")
    read_headers(f.list("headers", limit=MAX_UNITS))
    _tree(f.raw("units"), "rendition units", MAX_UNITS)
    f.digest("regions")
    assert isinstance(value, dict)
    return value


def _segment(f: Fields) -> SegmentRecord:
    units = Fields(f.raw("units"), "record: units", ("first", "count", "root", "source_us"))
    count = units.integer("count", 1, MAX_UNITS)
    notes = []
    for entry in f.list("notes", limit=MAX_UNITS):
        n = Fields(entry, "record: note", ("unit", "cause", "count"))
        notes.append(
            Note(unit=n.integer("unit", 0, count), cause=n.choice("cause", NOTE_CAUSES), count=n.integer("count"))
        )
    samples = _tree(f.raw("samples"), "samples", count)
    kept = f.choice("kept", KEPT)
    media = f.optional("media", lambda name: _media(f.raw(name)))
    if kept == "none" and media is not None:
        raise Malformed("record keeps no media, yet names an object")
    return SegmentRecord(
        **_common_fields(f),
        codec=f.text("codec", limit=32),
        width=f.integer("width", 1, MAX_SIDE_LENGTH),
        height=f.integer("height", 1, MAX_SIDE_LENGTH),
        display=_display(f.raw("display")),
        headers=_headers(f.list("headers", limit=count), count),
        units=Units(
            first=units.integer("first"),
            count=count,
            root=units.digest("root"),
            source_us=units.integer("source_us", -MAX_INTEGER),
        ),
        side=_tree(f.raw("side"), "side", MAX_UNITS),
        samples=samples,
        sound=f.optional("sound", lambda name: _sound(f.raw(name))),
        renditions=tuple(
            _rendition(entry, lambda listed: _headers(listed, count)) for entry in f.list("renditions", limit=16)
        ),
        kept=kept,
        media=media,
        notes=tuple(notes),
    )


def _gap(f: Fields) -> GapRecord:
    units = Fields(f.raw("units"), "record: units", ("first",))
    return GapRecord(
        **_common_fields(f),
        first_unit=units.integer("first"),
        cause=f.choice("cause", GAP_CAUSES),
        detected_us=f.integer("detected_us"),
        step_us=f.optional("step_us", lambda name: f.integer(name, -MAX_INTEGER)),
    )
