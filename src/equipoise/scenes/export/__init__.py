"""Trained models for use without Equipoise: an ONNX model or a PyTorch program, with all that explains it."""
