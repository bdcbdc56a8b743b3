"""The recording task of the media child: reads one track, copies its segments, samples their pictures.

A segment is handed over when its file is written and nothing more of its pictures can come out of the decoder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from evidence.policy import Policy, policy_from_json
from frame_sampler.copying import copy_segments
from frame_sampler.handover import pack
from frame_sampler.pieces import Copied, Piece, Plan, Watched
from media.frames import Message, Send
from media.packets import PacketSource

if TYPE_CHECKING:
    from frame_sampler.watcher import Watcher


def record_task(arguments: Mapping[str, Any], send: Send) -> Message:
    """Record the file `path` from unit `first_unit` on; one message per segment, in order.

    Args:
        arguments: `path`, `track`, `policy` (its JSON), `prefix` of the segment files, `kept`, `container` (None: the
            usual one), `first_unit`, `warm_up` and `decode`; see `Plan`.
    """
    policy = policy_from_json(arguments["policy"])
    plan = Plan(
        prefix=Path(arguments["prefix"]),
        kept=arguments["kept"],
        container=arguments["container"],
        first_unit=arguments["first_unit"],
        warm_up=arguments["warm_up"],
    )
    with PacketSource(arguments["path"], track=arguments["track"]) as source:
        watcher = _watcher(source, policy) if arguments["decode"] and policy.maximum_per_s else None
        _record(source, plan, watcher, send)
    return Message(head={})


def _watcher(source: PacketSource, policy: Policy) -> Watcher:
    # Fingerprints bring SciPy along, which takes longer to load than many a file to copy.
    from frame_sampler.watcher import Watcher

    return Watcher(source, policy)


def decoder_name() -> str:
    """The decoder's library and version, as records state it."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"libavcodec {codec}, PyAV {av.__version__}"


def _record(source: PacketSource, plan: Plan, watcher: Watcher | None, send: Send) -> None:
    closed: dict[int, Copied] = {}
    decoder = decoder_name()

    def hand_over(watched: Watched) -> None:
        send(pack(closed.pop(watched.number), watched, decoder))

    for event in copy_segments(source, plan, _mono_us):
        if watcher is None:
            if isinstance(event, Copied):
                send(pack(event, Watched(number=event.number, looks=(), missing=()), "none"))
            continue
        if isinstance(event, Piece):
            for watched in watcher.see(event):
                hand_over(watched)
        else:
            closed[event.number] = event
            watcher.close(event)
    if watcher is not None:
        for watched in watcher.finish():
            hand_over(watched)


def _mono_us() -> int:
    return time.monotonic_ns() // 1000
