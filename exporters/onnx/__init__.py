"""ONNX: the reader beside the writer, one mapping table for both."""

from cnnir.exporters.onnx.loading import convert, load
from cnnir.exporters.onnx.opaque import register
from cnnir.exporters.onnx.planned import read_plan
from cnnir.exporters.onnx.reader import read
from cnnir.exporters.onnx.saving import files, save, write

register()

__all__ = ["convert", "files", "load", "read", "read_plan", "save", "write"]
