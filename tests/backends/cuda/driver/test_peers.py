"""Copies between GPUs: each stream waits for the other's."""

from __future__ import annotations

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.cuda.driver.gpu import Gpu
from netlang.backends.cuda.driver.peers import copy_between
from tests.backends.cuda.driver.fake import FakeDriver


def two(access: int = 1) -> tuple[FakeDriver, Gpu, Gpu]:
    driver = FakeDriver(gpus=2)
    driver.access = access
    return driver, Gpu(driver, 0), Gpu(driver, 1)


def test_a_copy_comes_after_what_was_asked_of_both_and_before_what_is_asked_later() -> None:
    driver, one, other = two()
    values = np.arange(100, dtype=np.float32)
    source, target = one.allocate(400), other.allocate(400)
    one.upload(source, values)
    driver.calls.clear()
    copy_between(one, source, other, target, 400)
    found = np.empty_like(values)
    work = [call for call in driver.calls if call[0] in ("cuEventRecord", "cuStreamWaitEvent", "cuMemcpyPeerAsync")]
    ready, waits, copied, done, holds = work
    assert ready[2] == one.stream and waits[1:3] == (other.stream, ready[1])
    assert copied[1:] == (target, "context 1", source, "context 0", 400, other.stream)
    assert done[2] == other.stream and holds[1:3] == (one.stream, done[1])
    other.download(target, found)
    assert np.array_equal(found, values)


def test_gpus_are_connected_once() -> None:
    driver, one, other = two()
    for _ in range(2):
        copy_between(one, one.allocate(4), other, other.allocate(4), 4)
    assert driver.made("cuCtxEnablePeerAccess") == [("context 0", 0)]


def test_who_connected_them_before_does_no_harm_and_other_faults_are_told() -> None:
    driver, one, other = two()
    driver.faults["cuCtxEnablePeerAccess"] = "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED"
    copy_between(one, one.allocate(4), other, other.allocate(4), 4)
    driver, one, other = two()
    driver.faults["cuCtxEnablePeerAccess"] = "CUDA_ERROR_TOO_MANY_PEERS"
    with pytest.raises(NetError, match="CUDA_ERROR_TOO_MANY_PEERS"):
        copy_between(one, one.allocate(4), other, other.allocate(4), 4)


def test_gpus_that_are_not_connected_copy_through_the_host() -> None:
    driver, one, other = two(access=0)
    copy_between(one, one.allocate(4), other, other.allocate(4), 4)
    copy_between(one, one.allocate(4), other, other.allocate(4), 0)
    assert not driver.made("cuCtxEnablePeerAccess") and len(driver.made("cuMemcpyPeerAsync")) == 1


def test_a_gpu_receives_from_another() -> None:
    _, one, other = two()
    values = np.arange(16, dtype=np.float32)
    source, target = one.allocate(64), other.allocate(64)
    one.upload(source, values)
    other.receive(target, one, source, 64)
    found = np.empty_like(values)
    other.download(target, found)
    np.testing.assert_array_equal(found, values)
