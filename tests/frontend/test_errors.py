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
