"""Hosts of their own on one machine, whose links can be cut: network namespaces joined by a bridge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

HERE = 1  # the last number of this machine's own address on the bridge; places count on from it
DEVICE = "eth0"  # of every place, as seen from within


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """This machine at `address()`, and every one of `places` at an address of its own behind a link.

    Needs root and the right to administer networks. `up` and `down` belong together.
    """

    places: tuple[str, ...]
    subnet: str  # first three numbers of a /24
    tag: str  # first letters of the names of bridge, links and namespaces

    def address(self, place: str | None = None) -> str:
        return f"{self.subnet}.{HERE if place is None else HERE + 1 + self.places.index(place)}"

    def enter(self) -> dict[str, Sequence[str]]:
        """What `Network.enter` wants: how a command comes to run at an address."""
        return {self.address(place): ("ip", "netns", "exec", self._space(place)) for place in self.places}

    def up(self) -> None:
        bridge = f"{self.tag}b"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("address", "add", f"{self.address()}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number, place in enumerate(self.places):
            space, outer = self._space(place), f"{self.tag}l{number}"
            _ip("netns", "add", space)
            _ip("link", "add", outer, "type", "veth", "peer", "name", DEVICE, "netns", space)
            _ip("link", "set", outer, "master", bridge, "up")
            _ip("-n", space, "address", "add", f"{self.address(place)}/24", "dev", DEVICE)
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "link", "set", DEVICE, "up")

    def down(self) -> None:
        """Remove all that is there of it; a link goes with its namespace."""
        for place in self.places:
            _ip("netns", "delete", self._space(place), check=False)
        _ip("link", "delete", f"{self.tag}b", check=False)

    @contextmanager
    def cut(self, place: str) -> Iterator[None]:
        """The place's link is down: nothing goes in or out, and nobody is told."""
        _ip("-n", self._space(place), "link", "set", DEVICE, "down")
        try:
            yield
        finally:
            _ip("-n", self._space(place), "link", "set", DEVICE, "up")

    @contextmanager
    def cut_between(self, place: str, other: str) -> Iterator[None]:
        """Two places do not reach each other, and everybody else as before."""
        _ip("-n", self._space(place), "route", "add", "blackhole", f"{self.address(other)}/32")
        try:
            yield
        finally:
            _ip("-n", self._space(place), "route", "delete", "blackhole", f"{self.address(other)}/32")

    def _space(self, place: str) -> str:
        return f"{self.tag}-{place}"


def links(*places: str) -> Links:
    """Links under names and addresses that nobody else on this machine uses."""
    used = subprocess.run(["ip", "-o", "-4", "address"], capture_output=True, text=True, check=True).stdout
    # 198.18.0.0/15 is set aside for tests of networks (RFC 2544): no real host has these addresses. Runs that begin at
    # once look from different numbers on.
    numbers = ((os.getpid() + step) % 256 for step in range(256))
    subnet = next(found for number in numbers if f"{(found := f'198.18.{number}')}." not in used)
    return Links(places=places, subnet=subnet, tag=f"vf{os.getpid() % 1_000_000}")


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
