"""Docstrings and signatures as plain text: what the ``pydoc`` source writes into documents.

Runs inside the worker process, so it imports nothing but the standard library.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
from typing import Any

MAX_DEFAULT_CHARS = 40
MAX_SIGNATURE_CHARS = 400
UNKNOWN_DEFAULT = "..."

_ROLE = re.compile(r":(?:[a-zA-Z][\w+-]*:){0,2}[a-zA-Z][\w+-]*:`([^`\n]*(?:\n[^`\n]*)?)`")
_ROLE_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.DOTALL)
_DOUBLE_TICKS = re.compile(r"``([^`\n]+(?:\n[^`\n]+)?)``")
_OLD_QUOTES = re.compile(r"`([\w.:+\- ]+)'")
_SINGLE_TICKS = re.compile(r"(?<![\w`])`([^`\n]+)`_{0,2}(?![\w`])")
_BOLD = re.compile(r"(?<![\w*])\*\*([A-Za-z][^*\n]*?)\*\*(?![\w*])")
_ITALIC = re.compile(r"(?<![\w*(,])\*([A-Za-z_]\w*)\*(?![\w*])")
_VERSION_NOTE = re.compile(
    r"^[ \t]*\.\. (?:versionadded|versionchanged|index|seealso|currentmodule|only|rubric|plot|"
    r"_[^:\n]+|autosummary|toctree|highlight)::?[^\n]*\n?(?=[ \t]*(?:\n|\S)|\Z)",
    re.MULTILINE,
)
_ADMONITION = re.compile(
    r"^([ \t]*)\.\. (note|warning|tip|important|caution|attention|deprecated|math|code-block|"
    r"code|admonition)::[ \t]*",
    re.MULTILINE,
)
_BLANKS = re.compile(r"\n{3,}")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|fig|no|approx|resp|al|dr|mr|st|eq|sec|ref|w\.r\.t|a\.k\.a|"
    r"incl|esp|max|min|std|dept|vol|pp|ed|eds|inc|jr|sr)|(?:^|[\s(])(?-i:[A-Z]))\.$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"[.!?][\"')\]]*(?=\s+(?:[\"'(\[]?[A-Z0-9`_*]|[\"']\w|[a-z]\w*[._(]\w)|\s*$)"
)


def clean_doc(doc: str) -> str:
    """A docstring without indentation, reStructuredText roles, ticks and version notes.

    Code keeps its words: ``:class:`~a.B``` becomes ``a.B``, double ticks vanish. What answers are
    checked against is this text, so they never carry markup that the document lacks.
    """
    text = inspect.cleandoc(doc).replace("\r\n", "\n").replace("\t", "    ")
    text = _ROLE.sub(_role_text, text)
    text = _DOUBLE_TICKS.sub(r"\1", text)
    text = _SINGLE_TICKS.sub(_tick_text, text)
    text = _OLD_QUOTES.sub(r"'\1'", text)
    text = _BOLD.sub(r"\1", text)
    text = _ITALIC.sub(r"\1", text)
    text = _VERSION_NOTE.sub("", text)
    text = _ADMONITION.sub(_admonition_text, text)
    lines = [line.rstrip() for line in text.split("\n")]
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip()


def _role_text(match: re.Match[str]) -> str:
    inner = match.group(1)
    named = _ROLE_TARGET.match(inner)
    return (named.group(1) if named and named.group(1) else inner).lstrip("~!")


def _tick_text(match: re.Match[str]) -> str:
    named = _ROLE_TARGET.match(match.group(1))
    return named.group(1) if named and named.group(1) else match.group(1).lstrip("~!")


def _admonition_text(match: re.Match[str]) -> str:
    indent, name = match.groups()
    if name in ("math", "code-block", "code", "admonition"):
        return indent
    return f"{indent}{name.capitalize()}: "


def split_signature_line(doc: str, name: str) -> tuple[str, str]:
    """Split a leading ``fill(text) -> str`` line off a docstring.

    Args:
        doc: The docstring, unindented.
        name: The object's bare name.

    Returns:
        (the part from the opening parenthesis on, the rest); ("", doc) if there is none. A
        trailing ``-- description`` on the line stays in the rest, and so does the returned value
        where it is described in words and nothing else is said.
    """
    head, _, rest = doc.partition("\n")
    pattern = r"(\(.*?\))(?:\s*-{1,2}>\s*([^\n]*?))?(?:\s+--?\s+(.*))?$"
    match = re.match(rf"^(?:\w+\.)*{re.escape(name)}{pattern}", head)
    if match is None or not _balanced(match.group(1)):
        return "", doc
    arguments, returned, said = (group or "" for group in match.groups())
    rest = f"{said}\n{rest}".strip()
    if not rest and len(returned.split()) > 1:
        return arguments, returned
    return f"{arguments} -> {returned}" if returned else arguments, rest


def _balanced(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count("[") == text.count("]")


def normal_signature(said: str, *, drop_self: bool) -> str:
    """A signature written in a docstring, without annotations; as it is where it isn't Python.

    Args:
        said: ``(self: Block, n: int = 2) -> Node``.
        drop_self: Leave out a first parameter called ``self`` or ``cls``.
    """
    try:
        tree = ast.parse(f"def f{said.partition(' -> ')[0]}: pass").body[0]
    except (SyntaxError, ValueError):
        return said
    assert isinstance(tree, ast.FunctionDef)
    arguments = tree.args
    first = [*arguments.posonlyargs, *arguments.args][:1]
    if drop_self and first and first[0].arg in ("self", "cls"):
        (arguments.posonlyargs or arguments.args).pop(0)
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for one in [*every, *filter(None, (arguments.vararg, arguments.kwarg))]:
        one.annotation = None
    return f"({ast.unparse(arguments)})"


def prose_lines(paragraph: str) -> str:
    """A paragraph up to its first doctest, bullet, table or directive line."""
    kept = []
    for line in paragraph.split("\n"):
        if re.match(r"\s*(?:>>>|[-*+|] |\.\. |[=\-~^*#+]{3,}\s*$)", line):
            break
        kept.append(line)
    return "\n".join(kept)


def sentences(text: str) -> list[str]:
    """The sentences of one paragraph, its lines joined by single spaces."""
    flat = " ".join(text.split())
    found, start = [], 0
    for match in _SENTENCE_END.finditer(flat):
        piece = flat[start : match.end()].strip()
        if piece and not _ABBREVIATION.search(piece):
            found.append(piece)
            start = match.end()
    tail = flat[start:].strip()
    return [*found, tail] if tail else found


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring's first paragraph, on one line; "" if it has none."""
    for paragraph in doc.split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        while lines and re.fullmatch(r"\s*[=\-~^*#+]*\s*", lines[0]):
            lines.pop(0)
        if lines:
            return (sentences(prose_lines("\n".join(lines))) or [""])[0]
    return ""


def signature_text(obj: Any, *, drop_first: bool) -> str:
    """``(text, width=70, **kwargs)``: names and defaults without annotations.

    Args:
        obj: A callable.
        drop_first: Leave out the first parameter (``self``).

    Returns:
        The signature, or "" if Python can't tell it or it is very long.
    """
    if inspect.isclass(obj) and _takes_nothing(obj):
        return ""
    try:
        signature = inspect.signature(obj)
        parameters = list(signature.parameters.values())
        first = parameters[0].kind if parameters else None
        if drop_first and first in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            parameters = parameters[1:]
        text = _join_parameters(parameters)
    except Exception:  # noqa: BLE001 - a signature may run any code of a foreign object
        return ""
    if inspect.isclass(obj) and text in ("(*args, **kwargs)", "(*args)"):
        return ""
    return text if len(text) <= MAX_SIGNATURE_CHARS else ""


def _takes_nothing(cls: type) -> bool:
    plain = all(getattr(cls, n) is getattr(object, n) for n in ("__init__", "__new__"))
    return plain or issubclass(cls, enum.Enum)


def _join_parameters(parameters: list[inspect.Parameter]) -> str:
    kinds = inspect.Parameter
    pieces: list[str] = []
    before: Any = None
    starred = False
    for one in parameters:
        if before is kinds.POSITIONAL_ONLY and one.kind is not kinds.POSITIONAL_ONLY:
            pieces.append("/")
        if one.kind is kinds.KEYWORD_ONLY and not starred:
            pieces.append("*")
            starred = True
        if one.kind is kinds.VAR_POSITIONAL:
            pieces.append(f"*{one.name}")
            starred = True
        elif one.kind is kinds.VAR_KEYWORD:
            pieces.append(f"**{one.name}")
        elif one.default is kinds.empty:
            pieces.append(one.name)
        else:
            pieces.append(f"{one.name}={default_text(one.default)}")
        before = one.kind
    if before is kinds.POSITIONAL_ONLY:
        pieces.append("/")
    return f"({', '.join(pieces)})"


def default_text(value: Any) -> str:
    """A default as Python source, or ``...`` where it cannot be written shortly and for good."""
    if isinstance(value, enum.Enum):
        text = f"{type(value).__name__}.{value.name}"
    elif inspect.isclass(value) or inspect.isroutine(value):
        text = str(getattr(value, "__qualname__", UNKNOWN_DEFAULT))
    else:
        text = repr(value)
    unfit = "<" in text and not text.startswith(("'", '"', "b'"))
    local = any(place in text for place in {sys.prefix, sys.base_prefix} if len(place) > 1)
    if unfit or local or "\n" in text or len(text) > MAX_DEFAULT_CHARS or not text.isprintable():
        return UNKNOWN_DEFAULT
    try:
        compile(text, "default", "eval")
    except (SyntaxError, ValueError):
        return UNKNOWN_DEFAULT
    return text
