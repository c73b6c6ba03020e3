"""Faults of `train` sections."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "no_loss",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  optimizer sgd(lr = 0.1)
}
""",
        Found(6, 1, "the train section has no loss", "for example: loss cross_entropy(logits, label)"),
    ),
    Case(
        "no_optimizer",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
}
""",
        Found(6, 1, "the train section has no optimizer", "for example: optimizer sgd(lr = 0.1)"),
    ),
    Case(
        "vector_loss",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss softmax_cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
}
""",
        Found(8, 8, "the loss must be a single number, got [N]", "take its mean or sum"),
    ),
    Case(
        "loss_twice",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
  loss sum(logits)
}
""",
        Found(10, 3, "'loss' is given already in line 8"),
    ),
    Case(
        "epochs",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
  epochs 0
}
""",
        Found(10, 10, "'epochs' must be a whole number of at least 1, not the number 0"),
    ),
    Case(
        "batch",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
  batch 2.5
}
""",
        Found(10, 9, "'batch' must be a whole number of at least 1, not the number 2.5"),
    ),
    Case(
        "metric_twice",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
  metric accuracy(logits, label)
  metric accuracy(logits, label)
}
""",
        Found(11, 3, "the name 'accuracy' is taken", "give the metric one of its own: metric name = ..."),
    ),
    Case(
        "metric_of_the_log",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
  metric epoch = mean(logits)
  metric test_loss = mean(logits)
}
""",
        Found(10, 3, "the name 'epoch' is taken", "give the metric one of its own: metric name = ..."),
        Found(11, 3, "the name 'test_loss' is taken", "give the metric one of its own: metric name = ..."),
    ),
    Case(
        "metric_unnamed",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
  metric 1 - accuracy(logits, label)
}
""",
        Found(10, 10, "this metric needs a name", "write: metric name = ..."),
    ),
    Case(
        "train_first",
        """\
train {
}
net n() {
  input x: f32[N]
  output y = x
}
""",
        Found(1, 1, "a train section stands below the net it trains"),
    ),
    Case(
        "train_twice",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)

}
train more {
}
""",
        Found(6, 1, "one of several train sections needs a name", "for example: train pretrain {"),
        Found(12, 1, "the train section has no loss"),
        Found(12, 1, "the train section has no optimizer"),
    ),
    Case(
        "target_shape",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: f32[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
}
""",
        Found(8, 8, "cross_entropy of logits [N, 4] expects integer targets [N] or f32 targets [N, 4], got f32[N]"),
    ),
    Case(
        "int_loss",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss sum(label)
  optimizer sgd(lr = 0.1)
}
""",
        Found(8, 8, "the loss must be a floating-point number, got i64[]"),
    ),
    Case(
        "modes",
        """\
net n() {
  input x: f32[N, 10]
  if training { h = x -> dense(3) } else { h = x -> dense(4) }
  output y = softmax(h)
}
train {
  target label: i64[N]
  loss cross_entropy(h, label)
  optimizer adam()
}
""",
        Found(
            6,
            1,
            "the net has other parameters in training than in evaluation: 'dense1.weight'",
            "declare parameters outside 'if training'",
        ),
    ),
    Case(
        "output_loss",
        """\
net n() {
  input x: f32[N, 10]
  output loss = x -> dense(3)
}
train {
  target label: i64[N]
  loss cross_entropy(loss, label)
  optimizer adam()
}
""",
        Found(1, 5, "an output of a net that is trained cannot be called 'loss'"),
    ),
    Case(
        "squared_labels",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss squared_error(logits, label)
  optimizer sgd(lr = 0.1)
}
""",
        Found(8, 8, "squared_error compares [N, 4] with [N]", "one_hot(label, classes) makes class numbers comparable"),
    ),
)
