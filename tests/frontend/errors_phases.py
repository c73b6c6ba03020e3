"""Faults of several `train` sections."""

from __future__ import annotations

from tests.frontend.error_case import Case, Found

NET = """\
enc = dense(5)
net a {
  input x: f32[N, 4]
  frozen m: f32[3] = [1, 2, 3]
  output y = (x -> enc -> dense(3)) * m
}
"""
PHASE = "  loss mean(y)\n  optimizer adam()\n"

CASES = (
    Case(
        "update_of_nothing",
        f"{NET}train one {{\n{PHASE}  update encr.*, dense1.weight, zzz*, m\n  epochs 3\n}}\n",
        Found(10, 10, "the net has no parameter 'encr.*'", "did you mean 'enc.*'?"),
        Found(10, 33, "the net has no parameter 'zzz*'"),
        Found(10, 39, "'m' is frozen: training cannot change it"),
    ),
    Case(
        "update_without_a_pattern",
        f"{NET}train {{\n{PHASE}  update\n}}\n",
        Found(10, 9, "expected a name, found the end of the line"),
    ),
    Case(
        "buffer_update_in_a_train_section",
        f"{NET}train {{\n{PHASE}  update y = 3\n}}\n",
        Found(10, 3, "'update' belongs in a net or a block, not in a train section"),
    ),
    Case(
        "patterns_in_a_net",
        NET.replace("  output", "  update enc.*\n  output"),
        Found(5, 3, "'update' belongs in a train section, not in a net"),
    ),
    Case(
        "sections_of_one_name",
        f"{NET}train one {{\n{PHASE}}}\ntrain one {{\n{PHASE}}}\n",
        Found(11, 7, "there is a train section 'one' in line 7"),
    ),
    Case(
        "section_of_no_net",
        f"{NET}train one for aa {{\n{PHASE}}}\n",
        Found(7, 15, "there is no net 'aa' in this file", "there are a"),
    ),
    Case(
        "turns_of_no_section",
        f"{NET}train one {{\n{PHASE}}}\ntrain both {{\n  alternate one, on\n}}\n",
        Found(12, 18, "there is no train section 'on'", "did you mean 'one'?"),
    ),
    Case(
        "turns_without_steps",
        f"{NET}train one {{\n{PHASE}}}\ntrain both {{\n  alternate one(0)\n}}\n",
        Found(12, 17, "'the steps of one' must be a whole number of at least 1, not the number 0"),
    ),
    Case(
        "turns_of_a_number",
        f"{NET}train one {{\n{PHASE}}}\ntrain both {{\n  alternate one(2, 3)\n}}\n",
        Found(12, 13, "'alternate' takes the names of train sections", "it is written: alternate critic(5), generator"),
    ),
    Case(
        "turns_and_a_loss",
        f"{NET}train one {{\n{PHASE}}}\ntrain both {{\n  alternate one\n  loss 3\n}}\n",
        Found(13, 3, "'loss' belongs in a train section, not in a train section that alternates"),
    ),
    Case(
        "turns_without_a_name",
        f"{NET}train {{\n  alternate one\n}}\n",
        Found(7, 1, "a train section that alternates has a name and no net of its own"),
        Found(8, 13, "there is no train section 'one'"),
    ),
)
