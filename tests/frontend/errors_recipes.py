"""Optimisers, schedules, augmentations that do not exist or get the wrong arguments."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

CASES = (
    Case(
        "unknown_optimizer",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sdg(lr = 0.1)
}
""",
        Found(9, 13, "unknown optimizer 'sdg'", "did you mean 'sgd'?"),
    ),
    Case(
        "lr_missing",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd()
}
""",
        Found(
            9, 13, "sgd needs 'lr'", "it is sgd(lr, momentum = ..., nesterov = ..., weight_decay = ..., schedule = ...)"
        ),
    ),
    Case(
        "lr_negative",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = -1)
}
""",
        Found(9, 22, "sgd: 'lr' must be above 0, got -1"),
    ),
    Case(
        "learning_rate",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1, momentun = 0.9)
}
""",
        Found(9, 13, "sgd has no parameter 'momentun'", "did you mean 'momentum'?"),
    ),
    Case(
        "momentum_one",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1, momentum = 1)
}
""",
        Found(9, 38, "sgd: 'momentum' must be below 1, got 1"),
    ),
    Case(
        "nesterov",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1, nesterov = true)
}
""",
        Found(9, 13, "sgd: 'nesterov' needs a momentum above 0"),
    ),
    Case(
        "schedule",
        """\
net n() {
  input x: f32[N, 10]
  logits = x -> dense(4)
  output y = softmax(logits)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1, schedule = cosin())
}
""",
        Found(9, 38, "unknown schedule 'cosin'", "did you mean 'cosine'?"),
    ),
    Case(
        "augment_input",
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
  augment img -> random_shift(2)
}
""",
        Found(10, 11, "'img' is no input of the net", "it is written: augment image -> random_shift(2) -> ..."),
    ),
    Case(
        "augment_unknown",
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
  augment x -> random_shfit(2)
}
""",
        Found(10, 16, "unknown augmentation 'random_shfit'", "did you mean 'random_shift'?"),
    ),
    Case(
        "augment_form",
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
  augment random_shift(2)
}
""",
        Found(
            10,
            11,
            "augment needs an input and what is done to it",
            "it is written: augment image -> random_shift(2) -> ...",
        ),
    ),
    Case(
        "flip_axis",
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
  augment x -> random_flip(axis = 3)
}
""",
        Found(10, 35, "random_flip: 'axis' is horizontal or vertical, not the number 3"),
    ),
    Case(
        "clip",
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
  clip nrom(1)
}
""",
        Found(10, 8, "unknown way to clip 'nrom'", "did you mean 'norm'?"),
    ),
    Case(
        "monitor",
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
  stop early(monitor = acc)
}
""",
        Found(10, 8, "there is no metric 'acc' to monitor", "name a metric, or loss"),
    ),
)
