"""A channel's endorsement rule, read: which organisations together satisfy it.

The rule is written as for `peer --signature-policy`: AND, OR and OutOf over principals `'MSP.role'`. Clients that reach
a network without its Gateway need it spelled out, since there is nobody to ask.
"""

from __future__ import annotations

import re
from itertools import combinations

from evidence.errors import ConfigInvalid

MAX_SETS = 64
_TOKEN = re.compile(r"\s*(?:(AND|OR|OutOf)\s*\(|'([^'.]+)\.(?:member|peer|client|admin|orderer)'|([0-9]{1,2})|([,)]))")

Sets = list[frozenset[str]]


def endorsing_sets(rule: str) -> tuple[tuple[str, ...], ...]:
    """Sets of organisations, each of which satisfies the rule and none of which contains another; smallest first.

    Of a rule that can be satisfied in very many ways, the first ones.

    Raises:
        ConfigInvalid: not such a rule.
    """
    sets, end = _expression(rule, 0, 0)
    if rule[end:].strip():
        raise _no_rule(rule)
    order = {each: place for place, each in enumerate(sets)}
    least = [each for each in order if not any(other < each for other in order)]
    names = list(dict.fromkeys(name for name in re.findall(r"'([^'.]+)\.", rule)))
    least.sort(key=lambda each: (len(each), order[each]))
    return tuple(tuple(name for name in names if name in each) for each in least)


def _expression(rule: str, at: int, depth: int) -> tuple[Sets, int]:
    found = _TOKEN.match(rule, at)
    if found is None or depth > 8:
        raise _no_rule(rule)
    gate, msp, _, _ = found.groups()
    if msp:
        return [frozenset({msp})], found.end()
    if not gate:
        raise _no_rule(rule)
    at = found.end()
    needed = None
    if gate == "OutOf":
        number = _TOKEN.match(rule, at)
        if number is None or number.group(3) is None:
            raise _no_rule(rule)
        needed, at = int(number.group(3)), _comma(rule, number.end())
    parts: list[Sets] = []
    while True:
        part, at = _expression(rule, at, depth + 1)
        parts.append(part)
        sign = _TOKEN.match(rule, at)
        if sign is None or sign.group(4) is None:
            raise _no_rule(rule)
        at = sign.end()
        if sign.group(4) == ")":
            break
    count = {"AND": len(parts), "OR": 1}.get(gate, needed)
    if not count or count > len(parts):
        raise _no_rule(rule)
    return _together(parts, count), at


def _together(parts: list[Sets], count: int) -> Sets:
    """Ways to satisfy `count` of the parts, up to a limit."""
    found: dict[frozenset[str], None] = {}
    for some in combinations(parts, count):
        ways: Sets = [frozenset()]
        for part in some:
            ways = list(dict.fromkeys(one | other for one in ways for other in part))[:MAX_SETS]
        found.update(dict.fromkeys(ways))
        if len(found) >= MAX_SETS:
            break
    return list(found)[:MAX_SETS]


def _comma(rule: str, at: int) -> int:
    sign = _TOKEN.match(rule, at)
    if sign is None or sign.group(4) != ",":
        raise _no_rule(rule)
    return sign.end()


def _no_rule(rule: str) -> ConfigInvalid:
    return ConfigInvalid(
        "this is not an endorsement rule", where=rule[:80], next_step="write AND, OR, OutOf over 'MSP.peer'"
    )
