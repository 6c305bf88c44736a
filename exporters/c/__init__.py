"""C: a memory plan as a header that a program is built with."""

from cnnir.exporters.c.header import header

__all__ = ["header"]
