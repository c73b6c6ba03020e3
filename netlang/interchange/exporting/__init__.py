"""From a net of a `.net` file to an ONNX file.

The inference graph is written as the frontend made it, layer by layer: what passes do to it would only hide it from
other tools. An op has a record (`record.py`, families in `operators/`): a function from a node to ONNX operators. A few
patterns of nodes become one operator (`patterns.py`), such as a convolution with its bias.

Names, so that what is imported again is the same net: the value that a name of the net's body stands for is called
exactly that; every other one has a `/` in its name, `block1.conv1/conv`. Parameters are initialisers called as in the
net, `frozen` ones and constants are `Constant` nodes.
"""
