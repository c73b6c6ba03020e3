"""A GPU through a driver that only records: order of calls, memory, faults."""

from __future__ import annotations

import gc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.cuda import toolchain
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.driver import copies
from netlang.backends.cuda.driver.gpu import Gpu
from netlang.backends.cuda.kernel import Kernel
from tests.backends.cuda.driver.fake import FakeDriver, unpacked

KERNEL = Kernel("copy", lambda: "def kernel(x, n): pass", "pi", 128, shared=1024)
GREEDY = Kernel("greedy", lambda: "def kernel(x, n): pass", "pi", 128, shared=100_000)
CHUNK, DIRECT = 4096, 512
"""Bytes, instead of what is good for a GPU."""


@pytest.fixture(autouse=True)
def small_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "CHUNK", CHUNK)
    monkeypatch.setattr(copies, "DIRECT", DIRECT)


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that needs no compiler."""
    empty = toolchain.Resources(0, 0, 0, 0)
    monkeypatch.setattr(toolchain, "entry_name", lambda kernel, arch: f"{kernel.key}_{arch}")
    monkeypatch.setattr(toolchain, "cubin", lambda kernel, arch: toolchain.Cubin(kernel.key, arch, b"cubin", empty))
    monkeypatch.setattr(toolchain, "ptx", lambda kernel, arch: toolchain.Ptx(kernel.key, arch, "ptx"))


def test_what_tells_gpus_apart() -> None:
    facts = Gpu(FakeDriver()).facts
    assert facts["name"] == "Some GPU" and facts["capability"] == "8.0" and facts["multiprocessors"] == 108
    assert Gpu(FakeDriver(version=12040)).facts == facts
    for other in ({"MULTIPROCESSOR_COUNT": 107}, {"MEMORY_CLOCK_RATE": 1_000_000}, {"COMPUTE_CAPABILITY_MINOR": 6}):
        assert Gpu(FakeDriver(**other)).facts != facts


def test_what_lowerings_are_told_of_a_gpu() -> None:
    target = Gpu(FakeDriver()).target
    assert (target.arch, target.multiprocessors, target.shared_bytes) == ("80", 108, 166_912)
    assert target.memory_bandwidth == pytest.approx(1.5552e12)
    assert Gpu(FakeDriver(MEMORY_CLOCK_RATE=0)).target.memory_bandwidth > 0
    assert Gpu(FakeDriver(COMPUTE_CAPABILITY_MAJOR=9)).target.arch == "90a"


@pytest.mark.parametrize(
    ("driver", "index", "message"),
    [
        (FakeDriver(gpus=0), 0, "the NVIDIA driver finds no GPU"),
        (FakeDriver(gpus=2), 2, "there is no GPU 2: the driver finds 2 GPUs"),
        (FakeDriver(gpus=1), -1, "there is no GPU -1: the driver finds one GPU"),
        (
            FakeDriver(version=11080),
            0,
            "the NVIDIA driver supports CUDA 11.8, and code for this GPU needs 12.0",
        ),
        (FakeDriver(COMPUTE_CAPABILITY_MAJOR=7), 0, "compute capability 7.0, and code needs 7.5 or later"),
    ],
)
def test_a_machine_that_will_not_do_is_told_what_it_lacks(driver: FakeDriver, index: int, message: str) -> None:
    with pytest.raises(NetError) as found:
        Gpu(driver, index)
    assert message in str(found.value) and "hint:" in str(found.value)
    assert "cuDevicePrimaryCtxRetain" not in driver.names()


@pytest.mark.parametrize("bytes", [0, 1, 1000, DIRECT, DIRECT + 1, 18 * CHUNK + 5])
def test_arrays_come_back_as_they_went(bytes: int) -> None:
    gpu = Gpu(FakeDriver())
    array = np.random.default_rng(0).integers(0, 256, bytes, dtype=np.uint8)
    place = gpu.allocate(bytes)
    assert place % 256 == 0
    given = array.copy()
    gpu.upload(place, given)
    given[:] = 0
    found = np.empty_like(array)
    gpu.download(place, found)
    assert np.array_equal(found, array)


def test_a_large_array_lands_beside_the_compute_stream_and_is_taken_from_there() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    place = gpu.allocate(2 * DIRECT)
    driver.calls.clear()
    gpu.upload(place, np.zeros(2 * DIRECT, np.uint8))
    work = ("cuStreamWaitEvent", "cuMemcpyHtoDAsync", "cuMemcpyDtoDAsync", "cuEventRecord")
    [free, there, landed, ready, taken, done] = [call for call in driver.calls if call[0] in work]
    beside = free[1]
    assert beside != gpu.stream
    # Once the landing place is free it is filled, and once it is filled the compute stream reads it, which frees it.
    assert free[0] == "cuStreamWaitEvent" and (there[0], there[4]) == ("cuMemcpyHtoDAsync", beside)
    assert (landed[0], landed[2]) == ("cuEventRecord", beside)
    assert ready[:3] == ("cuStreamWaitEvent", gpu.stream, landed[1])
    assert (taken[0], taken[1], taken[2], taken[4]) == ("cuMemcpyDtoDAsync", place, there[1], gpu.stream)
    assert done[:3] == ("cuEventRecord", free[2], gpu.stream)


def test_small_arrays_take_turns_in_one_slot_and_busy_slots_make_room_for_others() -> None:
    driver = FakeDriver(memory=1 << 40)
    gpu = Gpu(driver)
    place = gpu.allocate(CHUNK * 20)
    for _ in range(3):
        gpu.upload(place, np.zeros(16, np.uint8))
    assert len(driver.made("cuMemHostAlloc")) == 1
    driver.faults["cuEventQuery"] = "CUDA_ERROR_NOT_READY"
    gpu.upload(place, np.zeros(CHUNK * 20, np.uint8))
    assert len(driver.made("cuMemHostAlloc")) == copies.MOST_SLOTS
    assert len(driver.made("cuMemAlloc")) == 1 + copies.MOST_SLOTS


def test_a_slot_is_waited_for_before_it_is_written_again() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    place = gpu.allocate(64)
    gpu.upload(place, np.zeros(16, np.uint8))
    [(copied, _)] = driver.made("cuEventRecord")
    driver.calls.clear()
    gpu.upload(place, np.zeros(16, np.uint8))
    names = driver.names()
    assert driver.made("cuEventSynchronize") == [(copied,)]
    assert names.index("cuEventSynchronize") < names.index("cuMemcpyHtoDAsync")


def test_more_memory_than_is_free_is_refused_before_the_driver_is_asked() -> None:
    driver = FakeDriver(memory=5_000_000)
    gpu = Gpu(driver)
    with pytest.raises(NetError, match=r"7\.0 MB of memory are needed on the GPU, and 5\.0 MB of 1,073\.7 MB are free"):
        gpu.allocate(7_000_000)
    assert not driver.made("cuMemAlloc")
    place = gpu.allocate(1_000_000)
    assert gpu.allocated == 1_000_000
    gpu.free(place)
    assert gpu.allocated == 0 and driver.made("cuMemFree") == [(place,)]


def test_a_recording_is_captured_once_and_replayed_by_one_call() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    launched: list[tuple[Any, ...]] = []

    def note(*arguments: Any) -> None:
        launched.append((*arguments[:8], unpacked("pi", arguments[9])))

    driver.faults["cuLaunchKernel"] = note
    other = Kernel("other", KERNEL.source, "pi", 64)
    launches = [
        Launched(KERNEL, (4096, -7), (3, 2, 1)),
        Launched(KERNEL, (1, 1), (0, 2, 1)),
        Launched(other, (2**63, 5), (1, 1, 1)),
    ]
    recording = gpu.record(launches)
    assert [entry[1:] for entry in launched] == [
        (3, 2, 1, 128, 1, 1, 1024, (4096, -7)),
        (1, 1, 1, 64, 1, 1, 0, (2**63, 5)),
    ]
    assert launched[0][0].startswith("copy") and launched[1][0].startswith("other")
    start, end = (driver.names().index(f"cuStream{what}Capture") for what in ("Begin", "End"))
    assert set(driver.names()[start + 1 : end]) == {"cuLaunchKernel"}
    [(capturing, _)] = driver.made("cuStreamBeginCapture")
    assert {call[8] for call in driver.made("cuLaunchKernel")} == {capturing} != {gpu.stream}
    assert len(driver.made("cuGraphDestroy")) == 1
    driver.calls.clear()
    recording.replay()
    recording.replay()
    assert [name for name in driver.names() if "Ctx" not in name] == ["cuGraphLaunch"] * 2
    assert driver.made("cuGraphLaunch")[0] == (recording.graph, gpu.stream)
    graph = recording.graph
    del recording
    gc.collect()
    assert driver.made("cuGraphExecDestroy") == [(graph,)]


def test_groups_of_launches_are_timed_by_events_that_are_nodes_of_one_graph() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    launch = Launched(KERNEL, (1, 1), (1, 1, 1))
    driver.calls.clear()
    clocked = gpu.clocked([[launch, launch], [], [launch]])
    start, end = (driver.names().index(f"cuStream{what}Capture") for what in ("Begin", "End"))
    mark, kernel = "cuEventRecordWithFlags", "cuLaunchKernel"
    assert driver.names()[start + 1 : end] == [mark, kernel, kernel, mark, mark, kernel, mark]
    [(capturing, _)] = driver.made("cuStreamBeginCapture")
    marks = driver.made(mark)
    assert {stream for _, stream, _ in marks} == {capturing} and {flag for *_, flag in marks} == {1}
    assert len({event for event, *_ in marks}) == 4 and len(driver.made("cuEventCreate")) == 4
    driver.calls.clear()
    assert clocked.seconds() == [2.5e-3] * 3
    events = [event for event, *_ in marks]
    assert [name for name in driver.names() if "Ctx" not in name][:2] == ["cuGraphLaunch", "cuStreamSynchronize"]
    assert driver.made("cuEventElapsedTime") == [*pairwise(events)]
    graph = clocked.graph
    del clocked
    gc.collect()
    assert driver.made("cuGraphExecDestroy") == [(graph,)]
    assert {event for (event,) in driver.made("cuEventDestroy")} == set(events)


def test_what_goes_away_during_a_capture_is_given_back_after_it() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    place, recording = gpu.allocate(64), gpu.record([])

    def collect(*_: Any) -> None:
        nonlocal recording
        gpu.free(place)
        recording = None  # type: ignore[assignment]

    driver.faults["cuLaunchKernel"] = collect
    driver.calls.clear()
    gpu.record([Launched(KERNEL, (1, 1), (1, 1, 1))])
    names = [name for name in driver.names() if name in ("cuStreamEndCapture", "cuMemFree", "cuGraphExecDestroy")]
    assert names[:3] == ["cuStreamEndCapture", "cuMemFree", "cuGraphExecDestroy"]


def test_a_capture_that_fails_is_ended_and_tells_the_first_fault() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    driver.faults["cuLaunchKernel"] = "CUDA_ERROR_INVALID_VALUE"
    driver.faults["cuStreamEndCapture"] = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
    with pytest.raises(NetError, match="cuLaunchKernel: CUDA_ERROR_INVALID_VALUE"):
        gpu.record([Launched(KERNEL, (1, 1), (1, 1, 1))])
    assert driver.names()[-2:] == ["cuStreamEndCapture", "cuCtxPopCurrent"]


@pytest.mark.parametrize(
    ("arguments", "grid", "message"),
    [
        ((1,), (1, 1, 1), "kernel copy: 1 arguments instead of 2"),
        ((1, 2**31), (1, 1, 1), "kernel copy: argument 1: 2147483648 does not fit type 'i'"),
        ((-1, 1), (1, 1, 1), "kernel copy: argument 0: -1 does not fit type 'p'"),
        ((1, 1), (1, 65536, 1), "kernel copy: no GPU takes a grid of"),
    ],
)
def test_a_launch_that_no_gpu_takes_is_a_fault_of_ours(
    arguments: tuple[int, ...], grid: tuple[int, int, int], message: str
) -> None:
    driver = FakeDriver()
    with pytest.raises(ValueError, match=message):
        Gpu(driver).record([Launched(KERNEL, arguments, grid)])
    assert not driver.made("cuLaunchKernel")
    assert len(driver.made("cuStreamEndCapture")) == 1


def test_kernels_are_loaded_once_and_allowed_more_than_48_kilobytes_where_they_need_it() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    gpu.build([KERNEL, GREEDY, KERNEL])
    gpu.build([GREEDY])
    assert driver.made("cuModuleLoadData") == [(b"cubin",), (b"cubin",)]
    [(function, attribute, bytes)] = driver.made("cuFuncSetAttribute")
    assert function.startswith("greedy") and bytes == 100_000
    assert attribute == "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"


def test_a_kernel_with_more_shared_memory_than_a_block_can_have_is_refused() -> None:
    gpu = Gpu(FakeDriver(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN=65_536))
    with pytest.raises(NetError, match=r"greedy needs 100,000 bytes of shared memory, and a block can have 65,536"):
        gpu.build([GREEDY])


def test_where_the_driver_does_not_take_machine_code_it_gets_ptx() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    driver.faults["cuModuleLoadData"] = lambda image: "CUDA_ERROR_INVALID_IMAGE" if image == b"cubin" else None
    gpu.build([KERNEL])
    assert driver.made("cuModuleLoadData") == [(b"cubin",), (b"ptx\0",)]


def test_a_driver_that_takes_neither_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(version=12020, COMPUTE_CAPABILITY_MAJOR=10)
    gpu = Gpu(driver)
    monkeypatch.setattr(toolchain, "ptx", lambda kernel, arch: toolchain.Ptx(kernel.key, "100", "ptx"))
    driver.faults["cuModuleLoadData"] = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
    with pytest.raises(NetError, match=r"supports CUDA 12\.2, and code for this GPU needs 12\.7 or later"):
        gpu.build([KERNEL])


def test_other_faults_of_loading_are_told_as_they_are() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    driver.faults["cuModuleLoadData"] = "CUDA_ERROR_OUT_OF_MEMORY"
    with pytest.raises(NetError, match="the GPU has not enough free memory"):
        gpu.build([KERNEL])
    assert len(driver.made("cuModuleLoadData")) == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("CUDA_ERROR_ILLEGAL_ADDRESS", "a kernel failed on the GPU"),
        ("CUDA_ERROR_UNKNOWN", "the NVIDIA driver reports an error"),
    ],
)
def test_waiting_tells_what_has_failed(code: str, message: str) -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    driver.faults["cuStreamSynchronize"] = code
    with pytest.raises(NetError, match=message) as found:
        gpu.synchronize()
    assert f"cuStreamSynchronize: {code}" in str(found.value)


def test_time_is_measured_around_the_work_on_its_stream() -> None:
    driver = FakeDriver()
    gpu = Gpu(driver)
    driver.calls.clear()
    assert gpu.elapsed(lambda: driver.call("work")) == 2.5e-3
    names = [name for name in driver.names() if name in ("cuEventRecord", "work", "cuEventSynchronize")]
    assert names == ["cuEventRecord", "work", "cuEventRecord", "cuEventSynchronize"]
    assert {stream for _, stream in driver.made("cuEventRecord")} == {gpu.stream}
    assert len(driver.made("cuEventDestroy")) == 2


def test_the_gpu_is_current_for_every_call_and_not_afterwards() -> None:
    driver = FakeDriver(gpus=2)
    gpu = Gpu(driver, 1)
    place = gpu.allocate(64)
    gpu.upload(place, np.zeros(16, np.float32))
    gpu.download(place, np.zeros(16, np.float32))
    gpu.record([Launched(KERNEL, (place, 4), (1, 1, 1))]).replay()
    gpu.synchronize()
    gpu.free(place)
    depth = 0
    for name, *arguments in driver.calls[driver.names().index("cuDevicePrimaryCtxRetain") + 1 :]:
        depth += {"cuCtxPushCurrent": 1, "cuCtxPopCurrent": -1}.get(name, 0)
        if name == "cuCtxPushCurrent":
            assert arguments == ["context 1"]
        assert depth > 0 or name == "cuCtxPopCurrent", name
    assert depth == 0
