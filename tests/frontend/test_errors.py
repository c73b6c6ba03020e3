"""Every malformed text gives exactly the diagnostics it should: line, column, message and advice."""

from __future__ import annotations

import pytest

from netlang.diagnostics import NetError
from netlang.frontend import load
from tests.frontend import (
    errors_limits,
    errors_names,
    errors_ops,
    errors_parsing,
    errors_phases,
    errors_recipes,
    errors_scan,
    errors_shapes,
    errors_training,
    errors_values,
)
from tests.frontend.error_case import Case
from tests.frontend.fuzz import SECONDS, time_limit

_TABLES = (
    errors_parsing, errors_names, errors_shapes, errors_values, errors_training, errors_recipes, errors_phases,
    errors_limits, errors_ops, errors_scan,
)  # fmt: skip
CASES: list[Case] = [case for table in _TABLES for case in table.CASES]


def test_there_are_many_cases_with_names_of_their_own() -> None:
    assert len({c.name for c in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_malformed(case: Case) -> None:
    with time_limit(SECONDS), pytest.raises(NetError) as raised:
        load(case.text, name="file.net")
    found = raised.value.diagnostics
    places = [(d.spans[0].line, d.spans[0].column, d.message) for d in found]
    assert places == [(f.line, f.column, f.message) for f in case.found]
    for diagnostic, expected in zip(found, case.found, strict=True):
        assert diagnostic.hint == expected.hint or not expected.hint
        assert "Traceback" not in str(diagnostic)


LENET = """\
# A stage, and a net that forgets to flatten.
block stage(x, channels) {
  return x -> conv(channels, 5) -> relu -> maxpool(2)
}

net lenet5() {
  input image: f32[N, 1, 32, 32]

  logits = image -> stage(6) -> stage(16) -> dense(120) -> relu
  output y = logits
}
"""


def test_the_whole_text_with_excerpt_history_and_hint() -> None:
    with pytest.raises(NetError) as raised:
        load(LENET, name="lenet5.net")
    assert (
        str(raised.value)
        == """\
lenet5.net:9:46: error: dense expects [N, features], got [N, 16, 5, 5]
   9 |   logits = image -> stage(6) -> stage(16) -> dense(120) -> relu
     |                                              ^^^^^^^^^^
  note: image [N,1,32,32] -> stage(6) [N,6,14,14] -> stage(16) [N,16,5,5]
  hint: insert 'flatten' before 'dense'"""
    )


def test_a_fault_in_a_block_shows_the_line_that_used_it() -> None:
    text = LENET.replace("-> dense(120) -> relu", "-> stage(400)")
    with pytest.raises(NetError) as raised:
        load(text, name="lenet5.net")
    assert (
        str(raised.value)
        == """\
lenet5.net:3:44: error: max_pool: kernel 2 is larger than the padded input 1 (axis 2)
   3 |   return x -> conv(channels, 5) -> relu -> maxpool(2)
     |                                            ^^^^^^^^^^
  in the block used at lenet5.net:9:46:
   9 |   logits = image -> stage(6) -> stage(16) -> stage(400)
     |                                              ^^^^^^^^^^
  note: image [N,1,32,32] -> stage(6) [N,6,14,14] -> stage(16) [N,16,5,5] -> conv(channels, 5) [N,400,1,1] -> relu \
[N,400,1,1]"""
    )


def test_faults_come_in_the_order_of_the_text_and_once_for_both_modes() -> None:
    text = """\
net n() {
  input x: f32[N, 4]
  a = x -> dens(3)
  b = a -> relu -> dense(3)
  logits = x -> dense(0)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0)
}
"""
    with pytest.raises(NetError) as raised:
        load(text)
    assert [d.spans[0].line for d in raised.value.diagnostics] == [3, 5, 11]


INCEPTION = """\
block inception(x) {
  a = x -> conv(64, 1) -> relu
  b = x -> conv(96, 1) -> conv(128, 3)
  return (a, b) -> concat
}

net n() {
  input image: f32[N, 192, 28, 28]
  output y = image -> inception
}
"""


def test_maps_that_differ_are_both_told_of() -> None:
    with pytest.raises(NetError) as raised:
        load(INCEPTION, name="n.net")
    assert (
        str(raised.value)
        == """\
n.net:4:20: error: concat along axis 1 cannot join [N, 64, 28, 28] and [N, 128, 26, 26]: only that axis may differ
   4 |   return (a, b) -> concat
     |                    ^^^^^^
  in the block used at n.net:9:23:
   9 |   output y = image -> inception
     |                       ^^^^^^^^^
  note: image [N,192,28,28] -> conv(64, 1) [N,64,28,28] -> relu [N,64,28,28]
  note: image [N,192,28,28] -> conv(96, 1) [N,96,28,28] -> conv(128, 3) [N,128,26,26]
  hint: both ways need the same strides, and pad = same where a kernel is larger than 1"""
    )


@pytest.mark.parametrize(
    ("way", "hint", "notes"),
    [
        ("conv(32, 1)", "conv(32, 1) makes 32 channels of 16", 1),
        ("conv(16, 3, stride = 2, pad = 1)", "both ways need the same strides, and pad = same", 1),
        ("conv(16, 3) -> relu -> flatten", "", 1),
    ],
)
def test_a_residual_sum_of_unlike_maps(way: str, hint: str, notes: int) -> None:
    text = f"net n() {{\n  input x: f32[N, 16, 8, 8]\n  h = x -> {way}\n  output y = relu(x + h)\n}}\n"
    with pytest.raises(NetError) as raised:
        load(text)
    (found,) = raised.value.diagnostics
    assert (found.spans[0].line, found.spans[0].column) == (4, 19)
    assert found.message.startswith("add cannot combine [N, 16, 8, 8] and [N, ")
    assert found.hint.startswith(hint) and bool(found.hint) == bool(hint)
    assert len(found.notes) == notes and found.notes[0].startswith(f"x [N,16,8,8] -> {way.split(' ->')[0]}")
