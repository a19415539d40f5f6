"""Models as parts of ONNX graphs, one file an engine, each read from the model's own file."""
