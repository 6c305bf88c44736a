"""The canonical text form of a graph: printing, reading back, digest and comparison.

    graph "tiny" {
      ir 10
      opset "" 21
      input %image: float32[N, 3, 32, 32]
      weight %w: float32[8, 3, 3, 3] = seeded(0, 7, 0.1)
      %map: float32[N, 8, 32, 32] = Conv(%image, %w) {strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1]}
      %y: float32[N, 8, 32, 32] = Relu(%map) as %activation
      output %y
    }

Grammar (``?`` optional, ``*`` any number, ``,*`` a list with commas; ``#`` begins a comment):

    graph     = "graph" STRING "{" statement* "}"
    statement = "ir" INT | "opset" STRING INT | ("field" | "metadata") STRING STRING | "extra" STRING HEX
              | "listed" NAME | "input" NAME ":" type | "weight" NAME ":" type "=" contents | "output" NAME | node
    node      = (NAME ":" type),* "=" OP "(" (NAME | "_"),* ")" ("{" (FIELD "=" field),* "}")? ("as" NAME)? with?
    with      = "with" "{" (STRING ":" STRING),* "}"
    field     = "null" | "true" | "false" | number | STRING | HEX | dtype | dim | "[" field,* "]"
    type      = dtype "[" dim,* "]" | ("sequence" | "optional") "(" type ")" | "unknown" ("(" dtype? ","? HEX? ")")?
    contents  = "fill" "(" 0x... ")" | "seeded" "(" INT "," INT "," number ")" | "given"

A NAME begins with ``%`` and stands in quotes where it is not plain; STRING is JSON's, HEX a string of hexadecimal
digits. ``_`` is an operand that is absent. A node's name is left out where it is that of its first output, a field
where it has its default. A weight is `given` where no short text tells its contents.
"""

from cnnir.text.compare import difference
from cnnir.text.parser import parse_graph
from cnnir.text.printer import digest, print_graph

__all__ = ["difference", "digest", "parse_graph", "print_graph"]
