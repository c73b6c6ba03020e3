"""Nets from files give the bits that the compiled model gives, need no compiler, and say what is wrong."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.backends.base import Request
from netlang.backends.common.loaded import LoadedNet
from netlang.backends.cpu.artifact.code import chosen_level
from netlang.diagnostics import NetError
from netlang.driver import backend_for
from netlang.runtime.artifact import open_artifact, write_artifact
from netlang.runtime.model import Model
from netlang.shipping import write_nets
from tests.artifact.conftest import BEST, SMALL, model_of, runnable, write

Small = tuple[Model, Path]
ROOT = Path(__file__).parents[2]

NETS = {
    "winograd, slices, a pool": """
net n {
  input image: f32[N, 16, 12, 12]
  a = image -> conv(16, 3, pad = 1) -> relu
  b = image -> conv(16, 1)
  output y = concat(a, b, axis = 1) -> conv(32, 3, pad = 1) -> relu -> maxpool(2) -> flatten -> dense(7)
}
""",
    "a loop over a sequence": """
net n {
  input x: f32[N, T, 12]
  hs = x -> lstm(20)
  output final = hs -> reverse(axis = 1) -> slice(1, 0, 1) -> flatten -> dense(3)
  output mean = hs -> gru(8) -> mean(axis = 1)
}
""",
    "words and attention": """
net n {
  input words: i64[N, T]
  x = words -> embedding(11, 24)
  output y = x -> multihead_attention(4) -> layernorm -> mean(axis = 1) -> dense(6) -> softmax
}
""",
    "functions of a number": """
net n {
  input x: f32[N, 30]
  input whole: i64[N, 30]
  y = tanh(x)
  output angles = sin(x) + cos(x) + tan(y) + asin(y) + acos(y) + atan(x)
  output hyperbolic = sinh(y) + cosh(y) + asinh(x) + acosh(2 + y) + atanh(0.5 * y)
  output rounded = ceil(x) + 10 * round(x) + fmod(x, 0.3)
  output wide = sin(cast(x, f64)) + fmod(cast(x, f64), 0.3) + acosh(cast(2 + y, f64))
  output bits = bit_xor(shift_left(whole, 3), whole // 7) + whole % 5 + bit_not(shift_right(whole, 1))
}
""",
    "places": """
net n {
  input x: f32[N, 30]
  input whole: i64[N, 30]
  index = whole % 30
  output sums = x -> cumsum(exclusive = true)
  output product = x -> prod(1)
  output put = scatter_along(x, index, x, reduction = "max")
  output last = argmin(x, last = true)
  v, i = x -> topk(3, smallest = true)
  output smallest = v
  output where = i
}
""",
    "sums, constants, copies": """
net n {
  input x: f32[N, 300]
  output total = sum(x * x)
  output same = x
  output shifted = slice(x, 1, 1, 300) - slice(x, 1, 0, 299) + 0.5
}
""",
    "whole numbers": """
net n {
  input image: u8[N, 3, 5, 7]
  input offset: i16[N, 7]
  input place: u16[N]
  small = image -> maxpool(2) -> flatten
  y: u8[N, 18] = (small + 200) / 3
  output y
  picked: i16[N, 7] = where(offset > 0, offset ** 3, -offset) % 100
  output picked
  output row = gather(arange(11, dtype = u32) * 3, place)
  output wide = sum(cast(image, u64), axis = [1, 2, 3]) * 9223372036854775000
}
""",
}


def given(model: Any, sizes: dict[str, int], seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Random inputs of a net for some sizes."""
    draw = np.random.default_rng(seed)
    arrays = {}
    for value in model.net.inputs:
        shape = value.type.concrete(sizes)
        drawn = draw.integers(0, 11, shape) if value.dtype.is_int else draw.normal(size=shape)
        arrays[value.node.name] = drawn.astype(value.dtype.numpy)
    return arrays


def by_name(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {"": found}


def same(one: Any, other: Any) -> bool:
    ours, theirs = by_name(one), by_name(other)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("text", NETS.values(), ids=NETS)
def test_the_same_bits(tmp_path: Path, text: str) -> None:
    """For sizes that the file was not told: batches and lengths, one and none among them."""
    model = model_of(text)
    loaded = netlang.load(write(tmp_path / "n.netc", model), threads=2)
    assert loaded.inputs == model.inputs and loaded.outputs == model.outputs
    for batch, length in ((1, 1), (0, 3), (2, 3), (5, 2), (1, 9), (33, 7), (130, 4)):
        sizes = {"N": batch, "T": length}
        arrays = given(model, sizes)
        assert same(loaded(**arrays), model(**arrays)), sizes


def test_every_level_of_this_machine(tmp_path: Path) -> None:
    model = model_of(SMALL)
    place = write(tmp_path / "n.netc", model, levels=runnable())
    image = given(model, {"N": 3})["image"]
    for level in runnable():
        loaded = netlang.load(place, level=level)
        assert loaded.level == level
        np.testing.assert_allclose(loaded(image), model(image), rtol=1e-5, atol=1e-6)
    assert netlang.load(place).level == BEST[0]


def test_without_a_batch_by_keyword_and_with_lists(small: Small) -> None:
    model, path = small
    loaded, image = netlang.load(path), given(model, {"N": 1})["image"]
    assert loaded(image[0]).shape == (5,)
    assert same(loaded(image[0]), model(image[0]))
    assert same(loaded(image=image.tolist()), model(image))


def test_several_nets_of_a_file_share_their_weights(tmp_path: Path) -> None:
    text = """
    net first {
      input x: f32[N, 20]
      output y = x -> dense(30) -> relu
    }
    net second {
      input x: f32[N, 20]
      output y = x -> first -> dense(4)
    }
    """
    model = model_of(text, "first")
    place = write(tmp_path / "n.netc", model, model.nets["second"])
    x = given(model, {"N": 4})["x"]
    for name in ("first", "second"):
        assert same(netlang.load(place, name)(x), model.nets[name](x))
    assert netlang.load(place).name == "first"
    with pytest.raises(NetError, match="has no net 'third'"):
        netlang.load(place, "third")


def test_random_nodes_draw_the_same_numbers(tmp_path: Path) -> None:
    model = model_of("net n {\n  input x: f32[N, 40]\n  output y = x + random_normal(x)\n}")
    loaded, x = netlang.load(write(tmp_path / "n.netc", model)), np.zeros((3, 40), np.float32)
    model.seed = loaded.seed = 5
    first, second = loaded(x), loaded(x)
    assert same(first, model(x)) and same(second, model(x)) and not same(first, second)
    assert same(loaded(x, seed=5), first)
    with pytest.raises(NetError, match="a seed is a whole number"):
        loaded(x, seed=-1)


def test_many_threads_at_a_time(small: Small) -> None:
    model, path = small
    loaded = netlang.load(path, threads=2)
    images = [given(model, {"N": 1 + i % 3}, i)["image"] for i in range(8)]
    wanted = [model(image) for image in images]
    wrong: list[int] = []

    def call(i: int) -> None:
        wrong.extend(i for _ in range(50) if not same(loaded(images[i]), wanted[i]))

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


BLOCKED = ("numba", "llvmlite", "lark", "rich", "safetensors", "PIL", "ml_dtypes", "sklearn", "scipy")


def test_no_compiler_is_imported(small: Small) -> None:
    model, path = small
    image = given(model, {"N": 2})["image"]
    np.save(path.with_suffix(".npy"), image)
    code = (
        "import sys\n"
        f"for name in {BLOCKED!r}: sys.modules[name] = None\n"
        "import numpy as np, netlang\n"
        "found = netlang.load(sys.argv[1])(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], found)\n"
        "print([m for m in sys.modules if m.startswith(('netlang.ops', 'netlang.passes', 'netlang.frontend'))])"
    )
    out = path.with_name("out.npy")
    args = [sys.executable, "-c", code, str(path), str(path.with_suffix(".npy")), str(out)]
    found = subprocess.run(args, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert same(np.load(out), model(image))


def test_the_same_bytes_each_time(small: Small, tmp_path: Path) -> None:
    assert write(tmp_path / "n.netc", model_of(SMALL)).read_bytes() == small[1].read_bytes()


def test_the_same_bytes_in_another_process(small: Small, tmp_path: Path) -> None:
    """Whatever order sets have there."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.artifact.conftest import SMALL, model_of, write\n"
        "write(Path(sys.argv[1]), model_of(SMALL))"
    )
    place = tmp_path / "n.netc"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", code, str(place)], check=True, env=environment, cwd=ROOT)
    assert place.read_bytes() == small[1].read_bytes()


def test_damage_is_told_and_never_carried_out(small: Small, tmp_path: Path) -> None:
    model, path = small
    whole, image = path.read_bytes(), given(model, {"N": 1})["image"]
    wanted, draw, place = model(image), random.Random(3), tmp_path / "n.netc"
    refused = 0
    for _ in range(60):
        body = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            body[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        place.write_bytes(body)
        try:
            found = netlang.load(place)(image)
        except NetError as fault:
            assert str(place) in str(fault)
            refused += 1
        else:
            assert same(found, wanted)
    assert refused > 20


def altered(path: Path, out: Path, **content: Any) -> Path:
    artifact = open_artifact(path)
    members = {name: bytes(artifact.member(name)) for name in artifact.members}
    write_artifact(out, {**artifact.content, **content}, members)
    return out


def test_what_is_told(small: Small, tmp_path: Path) -> None:
    _, path = small
    level = dict(chosen_level(open_artifact(path)))
    out = tmp_path / "n.netc"
    with pytest.raises(NetError, match="was compiled for 'tpu'"):
        netlang.load(altered(path, out, target="tpu"))
    with pytest.raises(NetError, match=r"has code for .*cannot run it\n  hint: it lacks avx1024"):
        netlang.load(altered(path, out, levels=[{**level, "needs": ["avx1024"]}]))
    with pytest.raises(NetError, match="hint: it lacks a processor of the architecture pdp11"):
        netlang.load(altered(path, out, levels=[{**level, "arch": "pdp11"}]))
    other = altered(path, out, levels=[{**level, "imports": ["system"]}])
    with pytest.raises(NetError, match="the function 'system', which no code of netlang calls"):
        fresh_code(other)
    with pytest.raises(NetError, match="has no code for x86-64-v9"):
        netlang.load(path, level="x86-64-v9")
    with pytest.raises(NetError, match="'threads' is a whole number"):
        netlang.load(path, threads=0)
    loaded = netlang.load(path)
    for args, told in (
        ((np.zeros((1, 3, 9, 8), "f4"),), r"input 'image': expected f32\[N, 3, 9, 9\], got f32\[1, 3, 9, 8\]"),
        ((np.zeros((1, 3, 9, 9)),), r"expected f32\[N, 3, 9, 9\], got f64"),
        ((), "needs input image"),
    ):
        with pytest.raises(NetError, match=told):
            loaded(*args)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(loaded)
    with pytest.raises(ValueError, match="read-only"):
        next(iter(loaded.parameters.values()))[...] = 0


def fresh_code(path: Path) -> None:
    """Load in a process that has no code yet."""
    code = "import sys, netlang\ntry:\n    netlang.load(sys.argv[1])\nexcept netlang.NetError as e:\n    print(e)"
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    raise NetError(found.stdout)


def test_sizes_beyond_what_was_planned(tmp_path: Path) -> None:
    model = model_of("net n {\n  input x: f32[N, 4, T]\n  output y = x -> conv(3, 5) -> mean(axis = 2)\n}")
    loaded = netlang.load(write(tmp_path / "n.netc", model))
    with pytest.raises(NetError, match="T is "):
        loaded(np.zeros((1, 4, 2), "f4"))


def test_nets_without_weights_and_reference_are_not_written(tmp_path: Path) -> None:
    model = netlang.compile(SMALL)
    with pytest.raises(NetError, match="has no weights yet"):
        write(tmp_path / "n.netc", model)
    with pytest.raises(NetError, match="what is compiled for target 'reference' cannot be kept"):
        write_nets(tmp_path / "n.netc", [model_of(SMALL)], backend_for("reference"), Request())
    with pytest.raises(NetError, match="there is no kind of processor 'x86-64-v5'"):
        write(tmp_path / "n.netc", model_of(SMALL), levels=["x86-64-v5"])
    assert not list(tmp_path.iterdir())


def test_a_file_says_what_it_is(small: Small) -> None:
    model, path = small
    content = open_artifact(path).content
    assert content["source"]["text"] == SMALL and json.dumps(content)
    assert isinstance(netlang.load(path), LoadedNet) and repr(netlang.load(path)).startswith(
        "<Loaded small(image: f32[N"
    )
    assert set(content["nets"]["small"]["params"]) <= set(model.parameters)


def test_work_is_cut_up_for_as_many_threads_as_are_asked_for(small: Small, tmp_path: Path) -> None:
    """More than this machine has, and fewer; results are the same, and any number of threads may carry it out."""
    model, path = small
    image = given(model, {"N": 6})["image"]
    for threads in (1, 16):
        place = write(tmp_path / "n.netc", model, threads=threads)
        assert place.read_bytes() != path.read_bytes()
        for used in (1, 2, 5):
            assert same(netlang.load(place, threads=used)(image), model(image))
