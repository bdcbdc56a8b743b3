"""Verbs that make a copy out of a clip: each takes the clip's packets and writes another file of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av

Verb = Callable[[list["Coded"]], Sequence["Coded"]]

FILM_GRAIN = bytes([6, 19, 4, 0x80, 0, 0, 0x80, 0x80])
USER_MESSAGE = bytes([6, 5, 21]) + bytes(16) + b"hello" + b"\x80"
FALSE_ENCODER = bytes([6, 5, 29]) + bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef") + b"x264 - core 2" + b"\x80"
END_OF_SEQUENCE = bytes([10])


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """One packet of an MP4: length-prefixed NAL units."""

    data: bytes
    pts: int
    dts: int
    key: bool


def read(path: Path) -> list[Coded]:
    with av.open(str(path)) as container:
        return [
            Coded(data=bytes(packet), pts=packet.pts or 0, dts=packet.dts or 0, key=packet.is_keyframe)
            for packet in container.demux(video=0)
            if packet.size
        ]


def write(source: Path, target: Path, packets: Sequence[Coded]) -> None:
    """Write `packets` under the header of `source` into the container that the suffix of `target` names."""
    with av.open(str(source)) as original, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(original.streams.video[0])
        for each in packets:
            packet = av.Packet(each.data)
            packet.stream, packet.time_base = stream, original.streams.video[0].time_base
            packet.pts, packet.dts, packet.is_keyframe = each.pts, each.dts, each.key
            container.mux(packet)


def unit(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def same(clip: list[Coded]) -> Sequence[Coded]:
    return clip


def from_(first: int) -> Verb:
    return lambda clip: clip[first:]


def until(behind: int) -> Verb:
    return lambda clip: clip[:behind]


def changed(index: int) -> Verb:
    def edit(clip: list[Coded]) -> Sequence[Coded]:
        data = bytearray(clip[index].data)
        data[-6] ^= 0x10
        clip[index] = replace(clip[index], data=bytes(data))
        return clip

    return edit


def without(first: int, count: int, *, closed: bool) -> Verb:
    def edit(clip: list[Coded]) -> Sequence[Coded]:
        moved = clip[first + count].dts - clip[first].dts if closed else 0
        rest = [replace(each, pts=each.pts - moved, dts=each.dts - moved) for each in clip[first + count :]]
        return [*clip[:first], *rest]

    return edit


def put(source: int, count: int, at: int, other: Path | None = None) -> Verb:
    """Pictures of the clip (or of another) from `source` on, in the place of those from `at` on."""

    def edit(clip: list[Coded]) -> Sequence[Coded]:
        taken = list(clip if other is None else read(other))[source : source + count]
        for index, each in enumerate(taken):
            clip[at + index] = replace(clip[at + index], data=each.data, key=each.key)
        return clip

    return edit


def swapped(first: int, count: int) -> Verb:
    """Exchange two neighbouring parts of `count` pictures."""

    def edit(clip: list[Coded]) -> Sequence[Coded]:
        held = clip[first : first + 2 * count]
        for index, each in enumerate(held):
            source = held[(index + count) % (2 * count)]
            clip[first + index] = replace(each, data=source.data, key=source.key)
        return clip

    return edit


def slowed(clip: list[Coded]) -> Sequence[Coded]:
    return [replace(each, pts=2 * each.pts, dts=2 * each.dts) for each in clip]


def with_message(message: bytes, *indices: int) -> Verb:
    def edit(clip: list[Coded]) -> Sequence[Coded]:
        for index in indices or range(len(clip)):
            clip[index] = replace(clip[index], data=unit(message) + clip[index].data)
        return clip

    return edit


def ended(index: int) -> Verb:
    def edit(clip: list[Coded]) -> Sequence[Coded]:
        clip[index] = replace(clip[index], data=clip[index].data + unit(END_OF_SEQUENCE))
        return clip

    return edit
