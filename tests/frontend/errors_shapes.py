"""Tensors whose shapes do not go together."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "dense_rank4",
        """\
block stage(x, channels) {
  return x -> conv(channels, 5) -> relu -> maxpool(2)
}
net lenet5() {
  input image: f32[N, 1, 32, 32]
  logits = image -> stage(6) -> stage(16) -> dense(120) -> relu
  output y = logits
}
""",
        Found(6, 46, "dense expects [N, features], got [N, 16, 5, 5]", "insert 'flatten' before 'dense'"),
    ),
    Case(
        "in_block",
        """\
block head(x, units) {
  return x -> relu -> dense(units)
}
net n() {
  input image: f32[N, 3, 8, 8]
  output y = image -> conv(4, 3) -> head(10)
}
""",
        Found(2, 23, "dense expects [N, features], got [N, 4, 6, 6]", "insert 'flatten' before 'dense'"),
    ),
    Case(
        "kernel_too_large",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 9)
}
""",
        Found(3, 19, "conv: kernel 9 is larger than the padded input 8 (axis 2)"),
    ),
    Case(
        "pool_too_large",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> maxpool(9)
}
""",
        Found(3, 19, "max_pool: kernel 9 is larger than the padded input 8 (axis 2)"),
    ),
    Case(
        "groups",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, groups = 2)
}
""",
        Found(3, 19, "conv: 3 input channels do not divide into 2 groups"),
    ),
    Case(
        "residual",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x + (x -> conv(8, 3))
}
""",
        Found(3, 14, "add cannot combine [N, 3, 8, 8] and [N, 8, 6, 6]: 3 and 8 differ"),
    ),
    Case(
        "conv_rank",
        """\
net n() {
  input x: f32[N, 10]
  output y = x -> conv(8, 3)
}
""",
        Found(3, 19, "conv expects [N, channels, ...spatial], got [N, 10]", "spatial dimensions come last"),
    ),
    Case(
        "channels_float",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(6 / 2, 3)
}
""",
        Found(3, 19, "conv: channels must be a whole number of at least 1, got 3.0"),
    ),
    Case(
        "channels_zero",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(0, 3)
}
""",
        Found(3, 19, "conv: channels must be a whole number of at least 1, got 0"),
    ),
    Case(
        "stride_zero",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, stride = 0)
}
""",
        Found(3, 19, "stride must be at least 1, got 0"),
    ),
    Case(
        "response_of_a_matrix",
        """\
net n() {
  input x: f32[N, 3]
  output y = x -> local_response_norm(5)
}
""",
        Found(3, 19, "local_response_norm expects [N, channels, ...spatial], got [N, 3]"),
    ),
    Case(
        "response_exponent",
        """\
net n() {
  input x: f32[N, 3, 8]
  output y = x -> local_response_norm(5, beta = -1)
}
""",
        Found(3, 19, "beta must be a number of at least 0, not the number -1"),
    ),
    Case(
        "pad_word",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, pad = sam)
}
""",
        Found(3, 36, "unknown name 'sam'", "did you mean 'same'?"),
    ),
    Case(
        "pad_string",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, pad = "sam")
}
""",
        Found(3, 19, "pad is valid, same, full or numbers, not sam"),
    ),
    Case(
        "kernel_list",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, [3, 3, 3])
}
""",
        Found(3, 19, "kernel has 3 entries for 2 spatial dimensions"),
    ),
    Case(
        "axis",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = softmax(x, axis = 7)
}
""",
        Found(3, 14, "there is no axis 7 in a tensor of 4 dimensions"),
    ),
    Case(
        "matmul",
        """\
net n() {
  input x: f32[N, 10]
  param w: f32[9, 4] = zeros()
  output y = x @ w
}
""",
        Found(4, 14, "matmul cannot multiply [N, 10] and [9, 4]: the inner sizes 10 and 9 differ"),
    ),
    Case(
        "concat",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  a = x -> maxpool(2)
  output y = (x, a) -> concat
}
""",
        Found(4, 24, "concat along axis 1 cannot join [N, 3, 8, 8] and [N, 3, 4, 4]: only that axis may differ"),
    ),
    Case(
        "reshape",
        """\
net n() {
  input x: f32[N, 10]
  output y = reshape(x, [N, 3, 4])
}
""",
        Found(3, 14, "reshape cannot turn [N, 10] into [N, 3, 4]: 10*N and 12*N elements"),
    ),
    Case(
        "reshape_minus",
        """\
net n() {
  input x: f32[N, 10]
  output y = reshape(x, [-1, 3])
}
""",
        Found(3, 14, "reshape cannot divide [N, 10] (10*N elements) into [-1, 3]"),
    ),
    Case(
        "split",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  a, b = x -> split(2)
  output y = a + b
}
""",
        Found(3, 15, "split cannot divide axis 1 of [N, 3, 8, 8] into 2 equal parts"),
    ),
    Case(
        "names_count",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  a, b = x -> split(3)
  output y = a + b
}
""",
        Found(3, 10, "2 names, but 3 values"),
    ),
    Case(
        "promise",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  h: f32[N, 8, 5, 5] = x -> conv(8, 3)
  output y = h
}
""",
        Found(3, 6, "'h' is promised to be f32[N, 8, 5, 5], but is f32[N, 8, 6, 6]"),
    ),
    Case(
        "symbolic_weight",
        """\
net n() {
  input x: f32[N, F]
  output y = x -> dense(3)
}
""",
        Found(
            3,
            19,
            "param 'weight' is f32[3, F], but the size F is known only when the net runs",
            "parameters need fixed sizes: give the input fixed ones",
        ),
    ),
)
