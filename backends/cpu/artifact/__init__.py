"""Compiled networks as files, for CPUs.

Writing, which needs the compiler: `writing` compiles for every level, `link` puts the objects of a level into one blob,
`numbers` records what depends on sizes, `packing` writes programs down. Running, which needs NumPy alone: `unpacking`
reads a program, `code` makes a blob executable, `model` is what a user calls.
"""
