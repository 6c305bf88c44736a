"""ONNX: the reader beside the writer, one mapping table for both."""

from cnnir.exporters.onnx.opaque import register
from cnnir.exporters.onnx.reader import load, read
from cnnir.exporters.onnx.writer import save, write

register()

__all__ = ["load", "read", "save", "write"]
