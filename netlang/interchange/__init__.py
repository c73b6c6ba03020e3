"""Networks from other tools and for them: ONNX files in and out."""
