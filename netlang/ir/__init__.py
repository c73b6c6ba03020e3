"""The typed graph: what every other part of the compiler reads and writes.

`dims` and `types` say what a tensor is, `graph` what a network is, `opdef` what an operation is; `build` makes nodes,
`text` prints them, `parse` reads them back, `verify` checks them, `rewrite` changes them; `module` is what a whole
`.net` file means.
"""
