"""Fitted networks leave the process: files without pickle, and ONNX."""
