"""The page on lint: what it is for, every rule with its reason, and what two good networks get."""

import io
from contextlib import redirect_stdout

from cnnir import zoo
from cnnir.analysis import receptive_fields
from cnnir.cli import main
from cnnir.lint import RULES, Rule

_HEAD = """\
# Lint

Made from the code by `make docs`. Networks are designed before they are trained, and some choices cost more than their
author thinks: a column that no window reads, a matrix with three quarters of all parameters, two layers that hold the
peak of the whole network. `cnnir lint` looks for them. Each finding has a stable code, the numbers, and a fix; each
rule has a reason that stands below, and says what it leaves alone. A finding is no error: the defence of what good
networks get stands [at the end](#what-vgg-16-and-resnet-50-get).

```console
$ cnnir lint 'zoo:alexnet{size=224}' --select W,C001
ALEXNET$ cnnir lint zoo:resnet50
no findings
$ cnnir lint zoo:vgg16 --ignore M,C
no findings
$ cnnir lint --explain P002
P002: pooling windows that reach into padding only
<BLANKLINE>
Why: ...
```

The exit code is 1 when there are findings. `--select` and `--ignore` take codes or prefixes of codes; the longer prefix
decides, and of two alike the one that ignores. What a project has decided once stands in its `pyproject.toml`: that of
the model's folder, or of the nearest folder above it (for a network that is no file, of the working folder).

```toml
[tool.cnnir.lint]
select = ["W", "P", "S", "L"]
ignore = ["L003"]  # our models give raw scores
```

`--select` takes the place of both lists, `--ignore` is added to them. `--json` gives `cnnir.lint/1`
([schema](schema/cnnir.lint-1.schema.json)). In Python:

```python
from cnnir import zoo

for finding in zoo.build("lenet5_plain").lint(select=["W002"]):
    print(finding.code, finding.node, finding.message)
print(zoo.vgg16().lint(select=["C001"])[0].fix)  # global average pooling before it leaves 2,101,248
```

Sizes that are open are not guessed. A symbolic batch is taken as 1 and said to be; windows over maps of open size are
not looked at, and rules that need numbers are listed as not decided. Receptive fields are those of `cnnir table`.

## Rules

Letters stand for themes: **C** cost, **L** layers and activations, **M** memory, **P** pooling, **S** size of the image
and what a layer sees of it, **W** windows.

| code | looks for |
|---|---|
"""

_DEFENCE = """
## What VGG-16 and ResNet-50 get

```console
$ cnnir lint zoo:vgg16
VGG16```

Both are true, and both are why nobody builds VGG any more. *C001*: three quarters of VGG-16 are one matrix. Its authors
evaluated the network as convolutions over larger images (section 3.2 of their paper), which is the second fix; the
first, global average pooling, is what later networks do. *M001*: two maps of 64 channels at full size take more than
three times what any step behind the second block does. Later networks begin with a stride.

ResNet-50 gets nothing. Where a rule could be read as if it applied, it does not, for a reason:

- Its 7x7 convolution of stride 2 and padding 3 has 112.5 windows over 224 pixels. The rest is half a step, a column of
  padding: no pixel is lost, and W001 counts pixels.
- Its 1x1 shortcuts of stride 2 skip three cells of four. They are meant to: W001 is silent where the window is smaller
  than its stride.
- Elements of its last map see FIELD pixels of 224. The shortcuts hand on what sees NARROW, and S003 follows the
  narrowest path.
- Its 3x3 convolutions stand behind 1x1 ones already (C002), and none of its convolutions has a bias before the
  normalisation (L001). VGG-16 with batch normalisation, as torchvision writes it, has thirteen.
- Its peak lies in its first block; what stands behind the first third of its layers needs half of it, where M001 asks
  for two fifths.
"""


def lint_page() -> str:
    """The whole page."""
    rows = "".join(f"| [{code}](#{_anchor(RULES[code])}) | {RULES[code].title} |\n" for code in sorted(RULES))
    rules = "".join(_section(RULES[code]) for code in sorted(RULES))
    head = _HEAD.replace("ALEXNET", _printed("zoo:alexnet{size=224}", "--select", "W,C001"))
    field, narrow = _last_field("resnet50", narrowest=False), _last_field("resnet50", narrowest=True)
    defence = _DEFENCE.replace("VGG16", _printed("zoo:vgg16"))
    return head + rows + rules + defence.replace("FIELD", field).replace("NARROW", narrow)


def _last_field(name: str, *, narrowest: bool) -> str:
    """Of the last map of more than one cell."""
    found = receptive_fields(zoo.build(name), narrowest=narrowest)
    return [str(fields[0].size) for fields in found.values() if fields and fields[0].stride][-1]


def _section(rule: Rule) -> str:
    return f"\n### {rule.code}: {rule.title}\n\n{_wrapped(rule.why)}\n\n{_wrapped(f'*Fix*: {rule.fix}')}\n"


def _anchor(rule: Rule) -> str:
    """As GitHub makes it from the heading."""
    text = f"{rule.code}: {rule.title}".lower()
    return "".join("-" if letter == " " else letter for letter in text if letter.isalnum() or letter in " -_")


def _wrapped(text: str, width: int = 120) -> str:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def _printed(*arguments: str) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["lint", *arguments])
    return printed.getvalue()
