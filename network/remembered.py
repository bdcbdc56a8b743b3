"""A network's folder knows which network stands in it.

Whoever names the folder need not repeat topology and ports, and other ones are refused: the configuration of nodes that
run would be written anew for places where nobody finds them.
"""

from __future__ import annotations

import json
from pathlib import Path

from evidence.errors import ConfigInvalid
from network.topology import Topology, parse_topology

PLACE = Path("configuration") / "topology.json"


def remember(root: Path, topology: Topology) -> None:
    """Note in the folder which network stands there."""
    path = root / PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(topology.settings.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")


def remembered(root: Path) -> Topology | None:
    """The network in a folder; None where none was noted. Raises ConfigInvalid: the note cannot be read."""
    path = root / PLACE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid("what the folder knows of its network cannot be read", where=str(path)) from error
    return parse_topology(text, str(path))


def same_place(known: Topology, named: Topology, *, where: Path | None) -> None:
    """Raise ConfigInvalid where another channel, another kind of consensus, or other ports are named."""
    for what, here, there in (
        ("channel", known.channel, named.channel),
        ("consensus", known.settings.consensus, named.settings.consensus),
        ("port", known.settings.base_port, named.settings.base_port),
    ):
        if here != there:
            raise ConfigInvalid(
                f"another network stands in this folder: its {what} is {here}, not {there}",
                where=str(where),
                next_step="leave --topology and --port out, or name another folder",
            )
