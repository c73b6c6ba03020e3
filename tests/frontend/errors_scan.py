"""Cells, states and sequences that do not go together."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

_CELL = """\
block cell(x, h, units) {
  next = tanh((x -> dense(units)) + (h -> dense(units, bias = false)))
  return next, next
}
"""


def _net(body: str, inputs: str = "  input x: f32[N, T, 3]\n") -> str:
    return _CELL + "net n() {\n" + inputs + body + "}\n"


_USAGE = "a cell goes from (slices, states) to (next states, emitted): x -> scan(cell, state = h0)"

CASES = (
    Case(
        "scan_of_no_layer",
        _net("  output y = x -> scan(3)\n"),
        Found(7, 19, "scan needs a cell, which is a layer, not the number 3", _USAGE),
    ),
    Case(
        "scan_of_a_tensor",
        _net("  output y = scan(x, cell(4))\n"),
        Found(7, 14, "scan needs a cell, which is a layer, not the tensor f32[N, T, 3]", _USAGE),
    ),
    Case(
        "scan_state_of_another_shape",
        _net("  h, _hs = x -> scan(cell(4), state = [x.shape[0], 5])\n  output y = h\n"),
        Found(
            7,
            17,
            "the state is f32[N, 5] at first, but the cell makes it f32[N, 4]",
            "a cell returns the next states first, then what it emits",
        ),
    ),
    Case(
        "scan_second_state",
        """\
block counter(x, h, count) { return h + x, sum(count) }
net n() {
  input x: f32[N, T]
  h, _c, _hs = x -> scan(counter, state = [[x.shape[0]], [x.shape[0]]])
  output y = h
}
""",
        Found(4, 21, "state 2 of 2 is f32[N] at first, but the cell makes it f32[]"),
    ),
    Case(
        "scan_returns_too_little",
        """\
block forgets(x, a, b) { return a + b * x }
net n() {
  input x: f32[N, T]
  zero = [x.shape[0]]
  a, _b, _hs = x -> scan(forgets, state = [zero, zero])
  output y = a
}
""",
        Found(5, 21, "the cell returns 1 tensor, but there are 2 states", _USAGE),
    ),
    Case(
        "scan_takes_more_states",
        _net("  output y = x -> scan(cell(units = 4))\n"),
        Found(7, 19, "cell needs 'h'"),
    ),
    Case(
        "scan_lengths_differ",
        """\
block both(x, y) { return x + y }
net n() {
  input a: f32[N, 5, 3]
  input b: f32[N, 6, 3]
  output y = (a, b) -> scan(both)
}
""",
        Found(5, 24, "the sequences of a scan have one length, but axis 1 of [N, 5, 3] and [N, 6, 3] differs"),
    ),
    Case(
        "scan_without_steps",
        """\
block more(h) { return h + 1 }
net n() {
  input x: f32[N]
  last, _all = scan(more, state = x, steps = 2.5)
  output y = last
}
""",
        Found(4, 16, "scan makes a whole number of steps, not the number 2.5"),
    ),
    Case(
        "scan_state_of_no_kind",
        _net("  h, _hs = x -> scan(cell(4), state = relu)\n  output y = h\n"),
        Found(7, 17, "a state is a tensor, or a shape for zeros, not the layer 'relu'"),
    ),
    Case(
        "scan_no_such_axis",
        _net("  h, _hs = x -> scan(cell(4), state = [x.shape[0], 4], axis = 3)\n  output y = h\n"),
        Found(7, 17, "there is no axis 3 in a tensor of 3 dimensions"),
    ),
    Case(
        "scan_lengths_of_another_batch",
        _net(
            "  h, _hs = x -> scan(cell(4), state = [x.shape[0], 4], lengths = ends)\n  output y = h\n",
            "  input x: f32[N, T, 3]\n  input ends: i64[M]\n",
        ),
        Found(8, 17, "lengths are for M sequences, but a state or emitted value is f32[N, 4]"),
    ),
    Case(
        "scan_lengths_are_whole",
        _net(
            "  h, _hs = x -> scan(cell(4), state = [x.shape[0], 4], lengths = ends)\n  output y = h\n",
            "  input x: f32[N, T, 3]\n  input ends: f32[N]\n",
        ),
        Found(8, 17, "lengths are whole numbers, one for each sequence: i64[N], not the tensor f32[N]"),
    ),
    Case(
        "scan_updates_a_buffer",
        """\
net n() {
  input x: f32[N, T, 3]
  output y = x -> scan(batchnorm)
}
train {
  target t: f32[N, T, 3]
  loss mean_squared_error(y, t)
  optimizer sgd(lr = 0.1)
}
""",
        Found(3, 19, "a cell cannot update the buffer 'batchnorm1.running_mean': it runs many times in one call"),
    ),
    Case(
        "scan_fault_in_the_cell",
        """\
block cell(x, h) {
  next = h @ x
  return next
}
net n() {
  input x: f32[N, T, 3]
  h, _hs = x -> scan(cell, state = [x.shape[0], 4])
  output y = h
}
""",
        Found(2, 10, "matmul cannot multiply [N, 4] and [N, 3]: the inner sizes 4 and N differ"),
    ),
    Case(
        "lstm_of_an_image",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> lstm(4)
}
""",
        Found(3, 19, "lstm expects [N, T, features], got [N, 3, 8, 8]"),
    ),
)
