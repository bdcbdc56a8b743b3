"""Random sequences of what people do, sensible and not, for any host: outcomes and state must be the same on all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from chaincode.anchors import open_batch
from evidence.errors import Refused
from sdk.identities import Identity
from tests.hosts.cast import ADMINS, CHAIN, NOW_US, PEOPLE, REASON, members, the_cast
from tests.hosts.stage import Host

Outcome = tuple[str, bytes | str]
"""`done` with the result, or the reason of a refusal with the rule's name."""

STEP_US = 60_000_000


class Call(NamedTuple):
    who: str
    function: str
    argument: bytes


def _registers(name: str) -> Call:
    return Call(ADMINS[PEOPLE[name][0]], "register_participant", members(**the_cast().registration(name)))


FOUNDATION = (
    *(_registers(name) for name in ("operator", "manager", "recorder")),
    Call("operator", "propose_camera", members(**the_cast().camera())),
    Call("manager", "approve_camera", members(camera="gate-1")),
)

_people = st.sampled_from(sorted(PEOPLE))
_cameras = st.sampled_from(["gate-1", "gate-2"])


def _of(function: str, who: st.SearchStrategy[str], **values: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    made = st.fixed_dictionaries(values).map(lambda found: members(**found))
    return st.builds(lambda name, argument: Call(name, function, argument), who, made)


def _either(*functions: str, **values: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    return st.sampled_from(functions).flatmap(lambda function: _of(function, _people, **values))


@st.composite
def _anchors(draw: st.DrawFn) -> Call:
    cast, camera = the_cast(), draw(_cameras)
    chain = CHAIN + draw(st.integers(0, 1))
    sequences = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    blocks = [cast.signed(cast.block(each, camera=camera, chain=chain)) for each in sequences]
    who = draw(st.sampled_from(["recorder", "recorder", "recorder-south", "operator"]))
    return Call(who, "anchor", open_batch(blocks))


calls = st.one_of(
    _people.map(_registers),
    _either("suspend_participant", "reinstate_participant", participant=_people),
    st.builds(lambda who, camera: Call(who, "propose_camera", members(**the_cast().camera(camera))), _people, _cameras),
    _either("approve_camera", "recommend_camera", camera=_cameras),
    _either("reject_camera", "suspend_camera", "reinstate_camera", "retire_camera", camera=_cameras,
            reason=st.just(REASON)),
    _either("grant_access", camera=_cameras, participant=_people, purpose=st.just(REASON), **{
        "from": st.just(NOW_US), "until": st.just(NOW_US + 3_600_000_000)}),
    _either("delegate", participant=_people, **{"from": st.just(NOW_US), "until": st.just(NOW_US + 3_600_000_000)}),
    _either("no_such_function"),
    _anchors(),
    _anchors(),
)  # fmt: skip

sequences = st.lists(calls, min_size=5, max_size=20)


def outcomes(host: Host, called: Sequence[Call]) -> list[Outcome]:
    """What each call led to, a minute apart."""
    found: list[Outcome] = []
    for number, call in enumerate((*FOUNDATION, *called)):
        try:
            result = host.submit(_identity(call.who), call.function, call.argument, time_us=NOW_US + number * STEP_US)
            found.append(("done", result))
        except Refused as refused:
            found.append((refused.reason, refused.where))
    return found


def _identity(name: str) -> Identity:
    cast = the_cast()
    return cast[name] if name in PEOPLE else cast.admin(next(msp for msp, admin in ADMINS.items() if admin == name))
