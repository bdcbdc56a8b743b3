"""The policy's promise is kept whatever happens; importance adds pictures, within its budget."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evidence.policy import Policy
from frame_sampler.sampling import START, Features, Reason, State, decide, next_segment, rate, worth_a_look

POLICY = Policy(
    minimum_per_s=1, maximum_per_s=5, raise_at=200, lower_at=100, hold_s=2, budget_per_minute=60, key_pictures=False
)


def _run(policy: Policy, pictures: list[Features], state: State = START) -> tuple[list[tuple[int, Reason]], State]:
    taken: list[tuple[int, Reason]] = []
    for picture in pictures:
        reason, state = decide(policy, state, picture)
        if reason is not None:
            taken.append((picture.time_us, reason))
    return taken, state


def _watch(seconds: int, *, per_s: int = 25, score: int = 0, from_s: int = 0) -> list[Features]:
    return [
        Features(time_us=from_s * 1_000_000 + i * 1_000_000 // per_s, key=False, score=score)
        for i in range(seconds * per_s)
    ]


def test_a_still_scene_is_sampled_at_the_minimum() -> None:
    taken, _ = _run(POLICY, _watch(10))
    assert taken == [(second * 1_000_000, "promised") for second in range(10)]


def test_full_importance_is_sampled_at_the_maximum() -> None:
    taken, _ = _run(POLICY, _watch(10, score=1000))
    assert [sum(1 for time, _ in taken if time // 1_000_000 == second) for second in range(10)] == [5] * 10


def test_importance_at_the_threshold_asks_for_one_picture_more() -> None:
    assert len(_run(POLICY, _watch(10, score=200))[0]) == 20
    assert len(_run(POLICY, _watch(10, score=199))[0]) == 10


def test_the_rate_stays_up_while_importance_is_between_the_thresholds() -> None:
    taken, _ = _run(POLICY, _watch(1, score=1000) + _watch(5, score=100, from_s=1))
    assert len(taken) == 30


def test_the_rate_falls_after_importance_has_stayed_low_for_the_hold() -> None:
    taken, state = _run(POLICY, _watch(2, score=1000) + _watch(8, from_s=2))
    per_second = [sum(1 for time, _ in taken if time // 1_000_000 == second) for second in range(10)]
    assert per_second == [5, 5, 5, 4, 1, 1, 1, 1, 1, 1]
    assert rate(POLICY, state) == 1


def test_no_minute_costs_more_than_the_budget() -> None:
    taken, _ = _run(POLICY, _watch(180, per_s=10, score=1000))
    extra = [time for time, reason in taken if reason == "important"]
    assert len(extra) > 100
    for start in extra:
        assert sum(1 for time in extra if start <= time < start + 60_000_000) <= POLICY.budget_per_minute


def test_the_budget_counts_on_through_the_next_segment() -> None:
    first, state = _run(replace(POLICY, budget_per_minute=10), _watch(10, score=1000))
    second, _ = _run(replace(POLICY, budget_per_minute=10), _watch(10, score=1000), next_segment(state, 10_000_000))
    assert [reason for _, reason in first].count("important") == 10
    assert [reason for _, reason in second] == ["promised"] * 10


def test_the_first_picture_of_every_segment_is_sampled() -> None:
    _, state = _run(POLICY, _watch(10)[:240])
    taken, _ = _run(POLICY, _watch(1), next_segment(state, 9_600_000))
    assert taken == [(0, "promised")]


def test_key_pictures_are_sampled_when_the_policy_says_so() -> None:
    pictures = [replace(picture, key=index % 10 == 7) for index, picture in enumerate(_watch(2, per_s=20))]
    assert [reason for _, reason in _run(replace(POLICY, key_pictures=True), pictures)[0]].count("key") == 4
    assert [reason for _, reason in _run(POLICY, pictures)[0]].count("key") == 0


def test_pictures_that_refer_to_the_segment_before_are_not_sampled() -> None:
    leading = [Features(time_us=time_us, key=False, score=1000, leading=True) for time_us in (-80_000, -40_000)]
    assert _run(POLICY, leading + _watch(1))[0][0] == (0, "promised")


def test_a_policy_of_zero_samples_nothing_and_looks_at_nothing() -> None:
    none = Policy(minimum_per_s=0, maximum_per_s=0, key_pictures=True)
    assert _run(none, [replace(picture, key=True) for picture in _watch(5, score=1000)])[0] == []
    assert not worth_a_look(none, START, time_us=0, key=True)


@given(
    st.lists(st.tuples(st.integers(1, 3_000_000), st.booleans(), st.integers(0, 1000)), min_size=1, max_size=80),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_every_slot_that_holds_a_picture_holds_a_sample(
    steps: list[tuple[int, bool, int]], minimum: int, more: int
) -> None:
    policy = replace(POLICY, minimum_per_s=minimum, maximum_per_s=minimum + more, budget_per_minute=7)
    time_us, pictures = 0, []
    for interval_us, key, score in steps:
        pictures.append(Features(time_us=time_us, key=key, score=score))
        time_us += interval_us
    state, taken = START, []
    for picture in pictures:
        looked = worth_a_look(policy, state, time_us=picture.time_us, key=picture.key)
        reason, state = decide(policy, state, picture)
        assert looked or reason is None
        if reason is not None:
            taken.append(picture.time_us)
    assert {t * minimum // 1_000_000 for t in taken} == {p.time_us * minimum // 1_000_000 for p in pictures}
    assert sum(state.spent) <= 7
