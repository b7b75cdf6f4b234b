"""Synonym replacement from a thesaurus file in MyThes format, as office suites carry them.

The operation is the first of J. Wei and K. Zou, *EDA*, EMNLP 2019, section 2. Debian's
``mythes-en-us`` is made from WordNet: meanings stand in the order of their frequency, each with its
part of speech. A word is looked up in its ground form, and the synonym gets the word's ending.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from luthier.core.errors import DataError, ResourceError
from luthier.core.spec import Spec
from luthier.data.augment._morphology import guess_parts, inflected, lemmas
from luthier.data.augment._pieces import Piece, how_many, pieces, replace_words
from luthier.data.augment._random import distinct
from luthier.data.augment._word_lists import STOP_WORDS

_MARKS = ("(generic term)", "(antonym)", "(related term)", "(similar term)")


class SynonymsAugmenter(Spec):
    """Replaces words by synonyms."""

    kind: Literal["synonyms"] = "synonyms"
    path: str = "/usr/share/mythes/th_en_US_v2.dat"
    """The thesaurus, a ``.dat`` file in MyThes format; Debian's ``mythes-en-us`` installs this."""
    rate: float = Field(default=0.2, gt=0.0, le=1.0)
    """Share of the words with a synonym that are replaced, at least one."""
    meanings: int = Field(default=1, ge=1)
    """Only so many meanings of a word are used, the most frequent first."""
    similar: bool = False
    """Whether "similar terms" are used too; they are looser than synonyms."""


@dataclasses.dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a word.

    Attributes:
        part: ``noun``, ``verb``, ``adj`` or ``adv``, or what else the file says.
        words: Its synonyms of one word, in lower case.
    """

    part: str
    words: tuple[str, ...]


Thesaurus = Mapping[str, Sequence[Meaning]]


def read_thesaurus(path: Path, wanted: Collection[str], similar: bool = False) -> Thesaurus:
    """The meanings of some words, in the file's order.

    Args:
        path: A MyThes ``.dat`` file: its encoding, then ``word|meanings`` and a line for each
            meaning, ``(part)|synonym|synonym (mark)``.
        wanted: Words in lower case; others are passed over.
        similar: Whether synonyms marked as similar terms count.

    Raises:
        ResourceError: The file is missing.
        DataError: The file is not a thesaurus.
    """
    if not path.is_file():
        raise ResourceError(
            "this thesaurus is missing",
            where=str(path),
            mend="Install one (Debian: apt install mythes-en-us), or set `path`.",
        )
    with path.open("rb") as file:
        encoding = file.readline().decode("ascii", "replace").strip()
    found: dict[str, list[Meaning]] = {}
    try:
        with path.open(encoding=encoding) as lines:
            next(lines)
            for line in lines:
                word, _, number = line.rstrip("\n").rpartition("|")
                said = [next(lines) for _ in range(int(number))]
                if word.lower() in wanted:
                    more = (_meaning(one, word, similar) for one in said)
                    found.setdefault(word.lower(), []).extend(m for m in more if m.words)
    except (LookupError, ValueError, StopIteration) as error:
        raise DataError(
            f"this is not a thesaurus in MyThes format: {error or 'it ends too early'}",
            where=str(path),
            mend="`path` names the .dat file, not the .idx file.",
        ) from error
    return found


def vocabulary(texts: Iterable[str]) -> set[str]:
    """The words of some texts, and their ground forms, in lower case."""
    words = {p.text.lower() for text in texts for p in pieces(text) if p.kind == "word"}
    return words | {lemma for word in words for lemma, _ in lemmas(word)}


def with_synonyms(
    text: str,
    spec: SynonymsAugmenter,
    thesaurus: Thesaurus,
    number: int,
    seed: int,
    keep: Collection[str] = (),
) -> list[str]:
    """Texts with some words replaced by synonyms.

    Args:
        text: Any text.
        spec: Settings.
        thesaurus: From ``read_thesaurus``.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never altered, in lower case.
    """
    cut = pieces(text, keep)
    options = {
        i: found
        for i, piece in enumerate(cut)
        if piece.kind == "word" and (found := synonyms_at(cut, i, spec, thesaurus))
    }
    if not options:
        return []

    def make(chance: random.Random) -> str:
        places = chance.sample(sorted(options), how_many(len(options), spec.rate))
        return replace_words(cut, lambda i: chance.choice(options[i]), sorted(places))

    return distinct(make, text, number, seed, spec.kind)


def synonyms_at(
    cut: Sequence[Piece], place: int, spec: SynonymsAugmenter, thesaurus: Thesaurus
) -> list[str]:
    """What may stand in a word's place, in the word's own form."""
    word = cut[place].text.lower()
    if word in STOP_WORDS or len(word) < 3:
        return []
    parts = guess_parts(_neighbour(cut, place, -1), word, _neighbour(cut, place, 1))
    found: dict[str, None] = {}
    for lemma, ending in lemmas(word):
        known = [m for m in thesaurus.get(lemma, ()) if _may_end(m.part, ending)]
        chosen = next((p for p in parts if any(m.part == p for m in known)), "")
        if parts and not chosen:
            continue
        part = chosen or (known[0].part if known else "")
        for meaning in [m for m in known if m.part == part][: spec.meanings]:
            for synonym in meaning.words:
                form = inflected(synonym, ending)
                if form and form != word and synonym != lemma and form not in STOP_WORDS:
                    found[form] = None
    return list(found)


def _may_end(part: str, ending: str) -> bool:
    return (part in ("noun", "verb")) if ending == "s" else (part == "verb" or not ending)


def _neighbour(cut: Sequence[Piece], place: int, step: int) -> str:
    """The word before or after a place in lower case, "" if a sentence ends between."""
    i = place + step
    if 0 <= i < len(cut) and cut[i].kind == "gap":
        if cut[i].text.strip():
            return ""
        i += step
    return cut[i].text.lower() if 0 <= i < len(cut) else ""


def _meaning(line: str, word: str, similar: bool) -> Meaning:
    part, *said = line.rstrip("\n").split("|")
    words: dict[str, None] = {}
    for synonym in said:
        marked = next((mark for mark in _MARKS if synonym.endswith(mark)), "")
        plain = synonym.removesuffix(marked).strip()
        wanted = not marked or (similar and marked == "(similar term)")
        if wanted and plain.isalpha() and plain.islower() and plain != word.lower():
            words[plain] = None
    return Meaning(part.strip("() -"), tuple(words))
