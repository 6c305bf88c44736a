"""The notation of papers and courses: ``INPUT[32x32x3] -> [[CONV3-64 -> RELU]*2 -> POOL2]*3 -> FC-10``.

`parser` reads text into `syntax`, `build` makes a graph of it, with the words of `layers`; `write` is the way back, and
`shorten` finds what repeats.
"""

from cnnir.zoo.pattern.build import from_pattern
from cnnir.zoo.pattern.layers import WORDS
from cnnir.zoo.pattern.parser import parse
from cnnir.zoo.pattern.write import to_pattern

__all__ = ["WORDS", "from_pattern", "parse", "to_pattern"]
