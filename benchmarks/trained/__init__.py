"""Networks that others have trained, as ONNX files: what they are to answer, and how fast they do it."""
