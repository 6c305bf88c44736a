"""ONNX: the reader beside the writer, one mapping table for both."""

from cnnir.exporters.onnx.loading import convert, load
from cnnir.exporters.onnx.opaque import register
from cnnir.exporters.onnx.reader import read
from cnnir.exporters.onnx.saving import save
from cnnir.exporters.onnx.writer import write

register()

__all__ = ["convert", "load", "read", "save", "write"]
