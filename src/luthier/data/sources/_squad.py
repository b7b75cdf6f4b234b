"""SQuAD: passages, and questions whose answers stand in them.

Read are the published files (an article with ``paragraphs``, or a paragraph with ``qas``; versions
1.1 and 2.0: Rajpurkar et al. 2016, arXiv:1606.05250, and 2018, arXiv:1806.03822) and rows of one
question each, as the hub holds them (``context``, ``question``, ``answers``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.data.sources._turns import UnfitError, optional, string

FLAT = ("context", "question", "answers")
NO_ANSWER = "unanswerable"


def is_nested(names: Collection[str]) -> bool:
    """Whether these are the keys of an article or of a paragraph with its questions."""
    return "paragraphs" in names or ("context" in names and "qas" in names)


def read_squad(
    row: Mapping[str, Any],
    origin: str,
    told: dict[str, str],
    ledger: Ledger,
    unanswerable: str | None,
) -> Iterator[Document | Example]:
    """The passages and questions of a row: each passage once, before its questions.

    The group is the row's own, or the article's title, or the passage. The first answer counts. A
    question whose passage cannot be used is refused with it.

    Args:
        row: An article, a paragraph, or one question.
        origin: Of the row; those of its parts are paths below it, as jq understands them.
        told: Passages that came already, by digest; grows.
        ledger: Gets a line for each passage or question that cannot be used, and for each question
            that has further answers.
        unanswerable: What is answered where there is no answer; None refuses these questions.

    Raises:
        UnfitError: The row as a whole cannot be used.
    """
    for piece in _pieces(row, origin, ledger):
        try:
            document = _document(piece)
            known = piece.passage or _digest(document)
            if known not in told:
                told[known] = document.id
                yield document
            if piece.asks:
                yield _example(piece, told[known], document.group, ledger, unanswerable)
        except UnfitError as unfit:
            ledger.refuse(unfit.reason, piece.origin, unfit.detail)


class _Piece(NamedTuple):
    """A question with all that stands above it, or a passage that has none.

    ``passage`` is where the passage stands; "" if each row repeats it.
    """

    values: Mapping[str, Any]
    origin: str
    passage: str
    asks: bool


def _pieces(row: Mapping[str, Any], origin: str, ledger: Ledger) -> Iterator[_Piece]:
    if "paragraphs" in row:
        paragraphs = _objects(row["paragraphs"], "paragraphs")
        if not paragraphs:
            raise UnfitError("empty text", "paragraphs is empty")
        for number, one in enumerate(paragraphs):
            at = f"{origin}.paragraphs[{number}]"
            try:
                yield from _pieces(_below(row, "paragraphs", one), at, ledger)
            except UnfitError as unfit:
                ledger.refuse(unfit.reason, at, unfit.detail)
    elif "qas" in row:
        asked = _objects(row["qas"], "qas")
        for number, one in enumerate(asked):
            yield _Piece(_below(row, "qas", one), f"{origin}.qas[{number}]", origin, asks=True)
        if not asked:
            yield _Piece(row, origin, origin, asks=False)
    else:
        yield _Piece(row, origin, "", asks=True)


def _below(row: Mapping[str, Any], key: str, one: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in row.items() if k != key}, **one}


def _objects(value: Any, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise UnfitError("wrong type", f"{what} is not a list of objects")
    return value


def _document(piece: _Piece) -> Document:
    text = string(piece.values, "context", "empty text")
    told = optional(piece.values, "title")
    origin = f"{piece.passage or piece.origin}.context"
    group = optional(piece.values, "group") or told or origin
    title = unquote(told).replace("_", " ")  # Wikipedia's, as in its addresses
    return Document(origin, title, text, origin, "row", group)


def _digest(document: Document) -> str:
    return hashlib.sha256(f"{document.title}\n{document.text}".encode()).hexdigest()


def _example(
    piece: _Piece, document: str, group: str, ledger: Ledger, unanswerable: str | None
) -> Example:
    values, origin = piece.values, piece.origin
    question = string(values, "question", "empty question")
    answers = _answers(values.get("answers"))
    kind = optional(values, "tag") or "row"
    if values.get("is_impossible") is True or not answers:
        if unanswerable is None:
            raise UnfitError("question without an answer", question)
        answers, kind = [unanswerable], NO_ANSWER
    messages = (Message("user", question), Message("assistant", answers[0]))
    if others := answers[1:]:
        ledger.change("further answers left out", origin, " | ".join(others))
    return Example(origin, messages, origin, group, kind, document)


def _answers(given: Any) -> list[str]:
    """The texts of the answers, each once: a list of objects, or an object of lists (also JSON)."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise UnfitError("wrong type", "answers is neither a list nor an object") from None
    if isinstance(given, Mapping):
        texts = given.get("text")
        given = [{"text": text} for text in texts] if isinstance(texts, list) else None
        if given is None:
            raise UnfitError("wrong type", "answers.text is not a list")
    found = _objects(given or [], "answers")
    return list(dict.fromkeys(string(one, "text", "empty answer") for one in found))
