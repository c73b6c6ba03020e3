"""Data for training and evaluation: one file per source, `dataset` for what they yield, `fitting` to suit a net."""
