"""Facts that a document states, read off its signature line and its prose."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from typing import Literal

from luthier.core.records import Document
from luthier.data._pydoc_text import UNKNOWN_DEFAULT, prose_lines, sentences

FactKind = Literal[
    "summary", "default", "parameters", "parameter", "returns", "raises", "bases", "call"
]

OBJECT_KINDS = ("module", "class", "function", "method", "property")
_RETURN = re.compile(r"^(?:Returns?|Yields?)\b")
_RAISE = re.compile(
    r"\b[Rr]ais(?:es?|ed|ing)\b.*?\b([A-Z]\w*(?:Error|Exception|Warning|Iteration|Exit|Interrupt))\b"
    r"|\b([A-Z]\w*(?:Error|Exception|Warning|Iteration))\b(?: \w+){0,3} raised\b"
)
_RAISE_SECTION = re.compile(r"^Raises:\s*[\w.]+\s*:\s*")
_SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}[ ]*$", re.MULTILINE)
_NUMPY_FIELD = re.compile(
    r"^(?P<name>\*{0,2}\w+) ?: ?(?P<type>[^\n]+)\n(?P<said>(?:[ ]{2,}[^\n]*\n?)+)", re.MULTILINE
)
_GOOGLE_SECTION = re.compile(
    r"^(?:Args|Arguments|Parameters|Keyword args|Keyword arguments):[ ]*\n"
    r"(?P<body>(?:[ ]{2,}[^\n]*\n|[ ]*\n)+)",
    re.MULTILINE | re.IGNORECASE,
)
_GOOGLE_FIELD = re.compile(
    r"^(?P<indent>[ ]{2,4})(?P<name>\*{0,2}\w+)(?: ?\([^\n]*?\))? ?:[ ]+"
    r"(?P<said>\S[^\n]*\n?(?:(?P=indent)[ ]+\S[^\n]*\n?)*)",
    re.MULTILINE,
)
_RETURN_SECTION = re.compile(
    r"^(?:Returns?|Yields?)\s*:\s*(?:[\w.\[\], ]{1,60}(?:\([^)]*\))?: )?(.+)$"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """One thing a document states.

    Attributes:
        kind: Which question it answers.
        subject: Name of the documented object.
        answer: The reference answer, on one line.
        evidence: What must stand in the document's text for the answer to be true
            (compared with whitespace squeezed).
        detail: The parameter, exception or signature the question is about, if any.
    """

    kind: FactKind
    subject: str
    answer: str
    evidence: str
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a signature.

    Attributes:
        name: With its stars, as it stands in the signature.
        default: Python source of the default, None if there is none.
    """

    name: str
    default: str | None = None

    @property
    def variadic(self) -> bool:
        """Whether it takes any number of arguments."""
        return self.name.startswith("*")


def facts(document: Document) -> list[Fact]:
    """All facts of a document, in a fixed order; none of texts that document no object."""
    if document.kind not in OBJECT_KINDS:
        return []
    signature = document.meta.get("signature", "")
    parameters = parse_signature(signature)
    prose = _prose(document)
    found = _summary(document)
    found += _signature_facts(document, signature, parameters)
    found += _sentence_facts(document.title, prose)
    found += _field_facts(document.title, prose)
    if bases := document.meta.get("bases", ""):
        found.append(Fact("bases", document.title, bases, f"Bases: {bases}"))
    return found


def _prose(document: Document) -> str:
    """The text without the signature and base class lines."""
    lines = document.text.split("\n")
    if document.kind != "module" and lines[0].startswith(document.title):
        lines = lines[1:]
    if lines and lines[0].startswith("Bases: "):
        lines = lines[1:]
    return "\n".join(lines)


def _summary(document: Document) -> list[Fact]:
    summary = document.meta.get("summary", "")
    return [Fact("summary", document.title, summary, summary)] if summary else []


def _signature_facts(document: Document, signature: str, parameters: list[Parameter]) -> list[Fact]:
    if not parameters:
        return []
    name = document.title
    listed = ", ".join(p.name for p in parameters)
    found = [Fact("parameters", name, listed, signature)]
    for one in parameters:
        if one.default is not None and one.default != UNKNOWN_DEFAULT:
            stands = f"{one.name}={one.default}"
            found.append(Fact("default", name, one.default, stands, one.name))
    found.append(Fact("call", name, call_json(name, parameters), signature, signature))
    return found


def _sentence_facts(name: str, prose: str) -> list[Fact]:
    returns: list[Fact] = []
    raises: list[Fact] = []
    body = _SECTION.split(prose)[0]
    for paragraph in re.split(r"\n[ ]*\n", body):
        for sentence in sentences(prose_lines(paragraph)):
            if section := _RETURN_SECTION.match(sentence):
                returns.append(Fact("returns", name, section.group(1), section.group(1)))
            elif _RETURN.match(sentence):
                returns.append(Fact("returns", name, sentence, sentence))
            elif raised := _RAISE.search(sentence):
                exception = raised.group(1) or raised.group(2)
                said = _RAISE_SECTION.sub("", sentence)
                raises.append(Fact("raises", name, said, said, exception))
    return returns[:1] + raises[:2]


def _field_facts(name: str, prose: str) -> list[Fact]:
    """What numpy- or Google-style parameter sections say of each parameter."""
    pieces = _SECTION.split(prose)
    fields: list[re.Match[str]] = []
    for title, body in zip(pieces[1::2], pieces[2::2], strict=False):
        if title.strip() == "Parameters":
            fields += _NUMPY_FIELD.finditer(body + "\n")
    for section in _GOOGLE_SECTION.finditer(prose + "\n"):
        fields += _GOOGLE_FIELD.finditer(section["body"])
    found = []
    for field in fields:
        if said := sentences(prose_lines(field["said"].split("\n\n")[0])):
            found.append(Fact("parameter", name, said[0], said[0], field["name"]))
    return found


def parse_signature(signature: str) -> list[Parameter]:
    """The parameters of a line such as ``textwrap.fill(text, width=70, **kwargs)``.

    Returns:
        In order; empty if there are none or the line is not Python (``find(sub[, start])``).
    """
    start = signature.find("(")
    if start < 0:
        return []
    head = signature[start:].partition(" -> ")[0]
    source = f"def f{head}: pass"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    node = tree.body[0]
    if not isinstance(node, ast.FunctionDef):
        return []
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults]
    found = [_parameter(a, d, source) for a, d in zip(plain, defaults, strict=True)]
    if arguments.vararg:
        found.append(Parameter(f"*{arguments.vararg.arg}"))
    found += [
        _parameter(a, d, source)
        for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        found.append(Parameter(f"**{arguments.kwarg.arg}"))
    return found


def _parameter(argument: ast.arg, default: ast.expr | None, source: str) -> Parameter:
    if default is None:
        return Parameter(argument.arg)
    return Parameter(argument.arg, ast.get_source_segment(source, default))


def call_json(name: str, parameters: list[Parameter]) -> str:
    """The one-line JSON call signature that form questions ask for.

    ``{"call": name, "required": [...], "optional": {name: default}, "variadic": [...]}``; the
    last key only if there are ``*args`` or ``**kwargs``.
    """
    call: dict[str, object] = {
        "call": name,
        "required": [p.name for p in parameters if p.default is None and not p.variadic],
        "optional": {p.name: p.default for p in parameters if p.default is not None},
    }
    if variadic := [p.name for p in parameters if p.variadic]:
        call["variadic"] = variadic
    return json.dumps(call, ensure_ascii=False)
