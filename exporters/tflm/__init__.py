"""TensorFlow Lite for Microcontrollers: a memory plan in the form that its models carry."""

from cnnir.exporters.tflm.offline import ALIGNMENT, METADATA, OfflinePlan, Tensor, offline_plan

__all__ = ["ALIGNMENT", "METADATA", "OfflinePlan", "Tensor", "offline_plan"]
