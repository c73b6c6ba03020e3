"""Names of GPU architectures, and what runs where."""

from __future__ import annotations

import pytest

from netlang import NetError
from netlang.backends.cuda import architecture
from netlang.backends.cuda.architecture import best_for, machine_code_runs, named, ptx_runs


@pytest.mark.parametrize(
    ("text", "name"), [("sm_90a", "90a"), ("80", "80"), ("7.5", "75"), ("compute_100", "100"), (" SM_86 ", "86")]
)
def test_the_spellings_of_an_architecture(text: str, name: str) -> None:
    assert named(text) == name


@pytest.mark.parametrize("text", ["sm_70", "sm_90b", "", "hopper", "sm_9000"])
def test_an_unknown_architecture_is_a_fault_of_the_user(text: str) -> None:
    with pytest.raises(NetError, match="sm_"):
        named(text)


@pytest.mark.parametrize(
    ("name", "machine_code", "ptx"),
    [
        ("75", {(7, 5)}, {(7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0)}),
        ("80", {(8, 0), (8, 6)}, {(8, 0), (8, 6), (9, 0), (10, 0), (12, 0)}),
        ("86", {(8, 6)}, {(8, 6), (9, 0), (10, 0), (12, 0)}),
        ("90a", {(9, 0)}, {(9, 0)}),
        ("100", {(10, 0)}, {(10, 0), (12, 0)}),
    ],
)
def test_machine_code_runs_in_its_generation_and_ptx_ever_after(
    name: str, machine_code: set[tuple[int, int]], ptx: set[tuple[int, int]]
) -> None:
    gpus = [(7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0)]
    assert {gpu for gpu in gpus if machine_code_runs(name, gpu)} == machine_code
    assert {gpu for gpu in gpus if ptx_runs(name, gpu)} == ptx


@pytest.mark.parametrize(
    ("gpu", "name"),
    [
        ((7, 5), "75"),
        ((8, 0), "80"),
        ((8, 7), "86"),
        ((9, 0), "90a"),
        ((10, 0), "100"),
        ((11, 0), "103"),
        ((13, 0), "120"),
    ],
)
def test_the_best_code_for_a_gpu(gpu: tuple[int, int], name: str) -> None:
    assert best_for(gpu) == name


def test_a_gpu_older_than_any_code_is_told_so() -> None:
    with pytest.raises(NetError, match=r"compute capability 7\.0, and code needs 7\.5 or later"):
        best_for((7, 0))


def test_the_tables_speak_of_the_same_architectures() -> None:
    assert set(architecture.USUAL) <= set(architecture.PTX_VERSIONS)
    assert set(architecture.PTX_VERSIONS.values()) == set(architecture.CUDA_OF_PTX)
    assert all(ptx_runs(architecture.PORTABLE, architecture.capability(name)) for name in architecture.PTX_VERSIONS)
