"""Names, arguments and statements that do not fit."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "unknown_layer",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> maxpol(2)
}
""",
        Found(3, 19, "unknown layer or function 'maxpol'", "did you mean 'maxpool'?"),
    ),
    Case(
        "unknown_name",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = z
}
""",
        Found(3, 14, "unknown name 'z'"),
    ),
    Case(
        "unknown_call",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = sofmax(x)
}
""",
        Found(3, 14, "unknown layer or function 'sofmax'", "did you mean 'softmax'?"),
    ),
    Case(
        "torch_name",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> flatten -> linear(10)
}
""",
        Found(3, 30, "unknown layer or function 'linear'", "it is called 'dense' here"),
    ),
    Case(
        "unknown_keyword",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, strid = 2)
}
""",
        Found(3, 19, "conv has no parameter 'strid'", "did you mean 'stride'?"),
    ),
    Case(
        "too_many",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> maxpool(2, 2, 0, 1, false, 7)
}
""",
        Found(
            3,
            19,
            "too many arguments for the layer 'maxpool'",
            "it is maxpool(x, kernel, stride = ..., pad = ..., dilation = ..., ceil_mode = ...)",
        ),
    ),
    Case(
        "too_many_primitive",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = relu(x, 3)
}
""",
        Found(3, 14, "relu takes 1 argument, got 2", "it is relu(x)"),
    ),
    Case(
        "missing_argument",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8)
}
""",
        Found(3, 19, "conv needs 'kernel'"),
    ),
    Case(
        "bare_missing",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> dense
}
""",
        Found(3, 19, "dense needs 'units'", "it is dense(x, units, bias = ..., init = ..., axis = ...)"),
    ),
    Case(
        "twice",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, channels = 8)
}
""",
        Found(3, 19, "conv gets 'channels' twice"),
    ),
    Case(
        "keyword_twice",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(8, 3, stride = 1, stride = 2)
}
""",
        Found(3, 42, "'stride' is given twice"),
    ),
    Case(
        "positional_after",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x -> conv(channels = 8, 3)
}
""",
        Found(3, 38, "arguments without a name come before those with one"),
    ),
    Case(
        "bound_twice",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  a = x
  a = x
  output y = a
}
""",
        Found(
            4,
            3,
            "'a' is bound already in line 3",
            "a name is bound once; only inside 'for' and 'if' may it be bound again",
        ),
    ),
    Case(
        "net_in_a_net",
        """\
net a() {
  input x: f32[N, 3]
  input y: f32[N, 4]
  output z = (x, y) -> concat
}
net b() {
  input x: f32[N, 3]
  output y = (x, x) -> a
}
""",
        Found(3, 12, "input 'y' is f32[N, 4], but is given f32[N, 3]"),
    ),
    Case(
        "net_without_its_inputs",
        """\
net a() {
  input x: f32[N, 3]
  input y: f32[N, 4]
  output z = (x, y) -> concat
}
net b() {
  input x: f32[N, 3]
  output y = x -> a
}
""",
        Found(8, 19, "a needs 'y'", "it is a(x, y)"),
    ),
    Case(
        "net_in_itself",
        """\
net a() {
  input x: f32[N, 3]
  output z = x -> a
}
""",
        Found(3, 19, "net 'a' applies itself without end (64 levels)"),
    ),
    Case(
        "shared_layer_of_two_sizes",
        """\
enc = dense(5)
net a() {
  input x: f32[N, 3]
  output y = x -> enc
}
net b() {
  input x: f32[N, 4]
  output y = x -> enc
}
""",
        Found(8, 19, "the shared parameter 'enc.weight' is f32[5, 4] in net 'b', but f32[5, 3] in net 'a'"),
    ),
    Case(
        "defined_twice",
        """\
block a(x) { return x }
block a(x) { return x }
net n() { input x: f32[N]
 output y = x -> a }
""",
        Found(2, 7, "'a' is defined already in line 1"),
    ),
    Case(
        "parameter_twice",
        """\
block a(x, x) { return x }
net n() { input x: f32[N]
 output y = x }
""",
        Found(1, 12, "there is a parameter 'x' already"),
    ),
    Case(
        "import_into_a_text",
        """\
import "blocks.net"
net n() {
  input x: f32[N]
  output y = x
}
""",
        Found(1, 8, "a text cannot import a file: there is no folder to look in", "save the text as a file"),
    ),
    Case(
        "dtype",
        """\
net n() {
  input x: f31[N]
  output y = x
}
""",
        Found(2, 12, "unknown element type 'f31'", "did you mean 'f32'?"),
    ),
    Case(
        "unknown_dim",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  param w: f32[M, 3] = zeros()
  output y = x
}
""",
        Found(3, 16, "unknown name 'M'"),
    ),
    Case(
        "no_parameter_of_layer",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  e = conv(8, 3)
  h = x -> e
  output y = sum(e.weigth)
}
""",
        Found(5, 20, "the layer 'e' has no parameter 'weigth'", "did you mean 'weight'?"),
    ),
    Case(
        "layer_not_applied",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  e = conv(8, 3)
  output y = sum(e.weight)
}
""",
        Found(4, 18, "this layer was not applied yet, so it has no parameters"),
    ),
    Case(
        "attribute",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x.shap
}
""",
        Found(3, 16, "a tensor has no '.shap'", "did you mean 'shape'?"),
    ),
    Case(
        "input_twice",
        """\
net n() {
  input x: f32[N]
  input x: f32[N]
  output y = x
}
""",
        Found(3, 9, "there is an input 'x' already"),
    ),
    Case(
        "output_twice",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  output y = x
  output y = x
}
""",
        Found(4, 10, "there is an output 'y' already"),
    ),
    Case(
        "no_net",
        "width = 3\n",
        Found(1, 1, "there is no net in this file", "a net is written: net name { ... }"),
    ),
    Case(
        "no_output",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  h = x -> relu
}
""",
        Found(1, 5, "net 'n' has no output", "name what the net computes: output y = ..."),
    ),
    Case(
        "net_parameter",
        """\
net n(k) {
  input x: f32[N]
  output y = x
}
""",
        Found(1, 7, "the net's parameter 'k' needs a default", "write 'k = ...'"),
    ),
    Case(
        "input_in_block",
        """\
block b(x) {
  input z: f32[N]
  return x
}
net n() {
  input x: f32[N]
  output y = x -> b
}
""",
        Found(2, 3, "'input' belongs in a net, not in a block"),
    ),
    Case(
        "return_in_net",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  return x
}
""",
        Found(1, 5, "net 'n' has no output", "name what the net computes: output y = ..."),
        Found(3, 3, "'return' belongs in a block, not in a net"),
    ),
    Case(
        "loss_in_net",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  loss x
  output y = x
}
""",
        Found(3, 3, "'loss' belongs in a train section, not in a net"),
    ),
    Case(
        "no_return",
        """\
block b(x) {
  y = x
}
net n() {
  input x: f32[N]
  output y = x -> b
}
""",
        Found(1, 7, "block 'b' returns nothing", "end it with 'return ...'"),
    ),
    Case(
        "several_errors",
        """\
net n() {
  input x: f32[N, 3, 8, 8]
  a = x -> flaten
  b = a -> dense(3)
  c = x -> conv(8, 99)
  output y = b + c
  output z = x -> dense(3)
}
""",
        Found(3, 12, "unknown name 'flaten'", "did you mean 'flatten'?"),
        Found(5, 12, "conv: kernel 99 is larger than the padded input 8 (axis 2)"),
        Found(7, 19, "dense expects [N, features], got [N, 3, 8, 8]", "insert 'flatten' before 'dense'"),
    ),
)
