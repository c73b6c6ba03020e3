"""Running and training compiled networks.

`model` calls a compiled net and `trainer` trains one; `fit` is the loop over epochs with its `checkpoint`s; `data/`
holds one file per data source. `parameters`, `weights` and `arrays` are what these share.
"""
