"""Where threads meet, on made-up steps, and that no pair of steps that clash is left without a meeting between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netlang.backends.cpu.barriers import Access, meetings


def read(start: int, stop: int, space: str = "arena", part: tuple[int, int] | None = None) -> Access:
    return Access(space, start, stop, False, part)


def write(start: int, stop: int, space: str = "arena", part: tuple[int, int] | None = None) -> Access:
    return Access(space, start, stop, True, part)


def test_a_chain_meets_after_every_step() -> None:
    steps = [[write(0, 64)], [read(0, 64), write(64, 128)], [read(64, 128), write(0, 64)]]
    assert meetings(steps, [True] * 3) == [True, True, True]


def test_branches_run_into_each_other_and_meet_before_the_join() -> None:
    image = read(0, 64, "input")
    branches = [[image, write(64 * i, 64 * i + 64)] for i in range(3)]
    assert meetings([*branches, [read(0, 192), write(192, 256)]], [True] * 4) == [False, False, True, True]


def test_memory_that_is_used_again_is_waited_for() -> None:
    steps = [[read(0, 64), write(64, 128)], [read(0, 1, "input"), write(0, 64)]]
    assert meetings(steps, [True, True]) == [True, True]


def test_serial_steps_follow_each_other_without_meeting() -> None:
    chain = [[write(0, 64)], [read(0, 64), write(64, 128)], [read(64, 128), write(128, 192)]]
    assert meetings(chain, [False, False, True]) == [False, True, True]


def test_parts_of_a_joined_map_do_not_clash() -> None:
    left, right = write(0, 1000, part=(0, 40)), write(0, 1000, part=(40, 100))
    assert meetings([[left], [right], [read(0, 1000, part=(0, 50))]], [True] * 3) == [False, True, True]
    assert meetings([[left], [read(0, 1000)]], [True] * 2) == [True, True]


def test_no_steps_no_meetings() -> None:
    assert meetings([], []) == []


ACCESS = st.builds(
    lambda space, start, length, written: Access(space, start, start + length, written),
    st.sampled_from(["arena", "input"]),
    st.integers(0, 20),
    st.integers(1, 8),
    st.booleans(),
)


@given(st.lists(st.tuples(st.lists(ACCESS, max_size=3), st.booleans()), max_size=12))
def test_between_steps_that_clash_there_is_a_meeting(steps: list[tuple[list[Access], bool]]) -> None:
    accesses, parallel = [s[0] for s in steps], [s[1] for s in steps]
    meet = meetings(accesses, parallel)
    for i in range(len(steps)):
        for j in range(i):
            if (parallel[i] or parallel[j]) and any(a.clashes(b) for a in accesses[j] for b in accesses[i]):
                assert any(meet[j:i])
