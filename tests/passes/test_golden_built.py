"""What the derived and fused graphs of small networks look like, as text."""

from __future__ import annotations

from netlang.frontend import load
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph
from netlang.ir.module import Call
from netlang.ir.types import DType
from netlang.passes import dce, fuse, hoist, inference_pipeline, scans, switches, training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.commute import commute
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from tests.nets import SGD, Net, lenet5, mean_cross_entropy, spec, tensor
from tests.passes.golden import check_golden

RMSPROP = Call("rmsprop", {"lr": 0.1, "alpha": 0.99, "eps": 1e-8, "momentum": 0.9, "weight_decay": 0.01})


def small(train: bool) -> Graph:
    """One convolution with ReLU and pool, one dense layer."""
    net = Net("small")
    x = net.input("image", sym("N"), 1, 8, 8)
    h = net.pool(net.line("act").op("relu", net.conv("conv", x, 4, 3)))
    logits = net.dense("fc", net.flatten(h), 10)
    if not train:
        return net.graph(probs=net.line("probs").op("softmax", logits, axis=1))
    return net.graph(loss=mean_cross_entropy(net, logits, net.input("label", sym("N"), dtype=DType.I64)))


def linear() -> Graph:
    """One dense layer and its mean square."""
    net = Net("linear")
    x = net.input("x", sym("N"), 3)
    y = net.dense("fc", x, 2)
    make = net.line("loss")
    return net.graph(loss=make.op("reduce_mean", make.mul(y, y), axes=(0, 1)))


def test_autodiff(update_golden: bool) -> None:
    graph = linear()
    check_golden("autodiff", update_golden, before=graph, after=differentiate(graph))


def test_optimizer(update_golden: bool) -> None:
    graph = linear()
    after = training_step(spec(graph, RMSPROP, Call("norm", {"max": 1.0})))
    check_golden("optimizer", update_golden, before=graph, after=after)


def test_switches_inference(update_golden: bool) -> None:
    graph = small(train=False)
    check_golden("switches-inference", update_golden, before=graph, after=switches.run(graph))


def test_switches_training(update_golden: bool) -> None:
    graph = differentiate(commute(small(train=True)))
    check_golden("switches-training", update_golden, before=graph, after=switches.run(graph))


def test_fuse_inference(update_golden: bool) -> None:
    graph = PassManager().run(lenet5(), inference_pipeline(), after="switches")
    check_golden("fuse-inference", update_golden, before=graph, after=fuse.run(graph))


def test_fuse_training(update_golden: bool) -> None:
    graph = PassManager().run(training_step(spec(small(train=True), SGD)), training_pipeline(), after="switches")
    check_golden("fuse-training", update_golden, before=graph, after=fuse.run(graph))


def test_fuse_rows(update_golden: bool) -> None:
    b = Builder()
    x = b.input("x", tensor(sym("N"), 5))
    e = b.op("exp", b.sub(x, b.op("reduce_max", x, axes=(1,), keepdims=True)))
    y = b.div(e, b.reshape(b.sum(e, (1,)), (sym("N"), 1)))
    graph = Graph("softmax", (x,), (), (("y", y),))
    check_golden("fuse-rows", update_golden, before=graph, after=fuse.run(graph))


TEXTBOOK = """
block cell(x, h, units) {
  z = tanh((x, h) -> concat -> dense(units))
  return z, z -> dense(2)
}
net reader() {
  input x: f32[N, T, 3]
  _h, y = x -> scan(cell(4), state = [x.shape[0], 4])
  output loss = mean(y ** 2)
}"""


def reader() -> Graph:
    """A textbook's recurrent cell, with an output of every step."""
    return load(TEXTBOOK).net


def test_hoist(update_golden: bool) -> None:
    graph = reader()
    check_golden("hoist", update_golden, before=graph, after=dce.run(hoist.run(graph)))


def test_the_gradient_of_a_loop(update_golden: bool) -> None:
    graph = dce.run(hoist.run(reader()))
    after = dce.run(scans.run(differentiate(graph)))
    check_golden("scan-gradient", update_golden, before=graph, after=after)
