"""Synonym replacement from a thesaurus file in MyThes format, as office suites carry them.

The operation is the first of J. Wei and K. Zou, *EDA*, EMNLP 2019, section 2. Debian's
``mythes-en-us`` is made from WordNet: meanings stand in the order of their frequency, each with its
part of speech. A word is looked up in its ground form, and the synonym gets the word's ending. A
synonym counts only if the word stands among the synonym's own first meanings too, and if it is a
common word or one of the rows.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from luthier.core.errors import DataError, ResourceError
from luthier.core.spec import Spec
from luthier.data.augment._morphology import guess_parts, inflected, lemmas
from luthier.data.augment._neighbours import Encode
from luthier.data.augment._pieces import Piece, how_many, pieces, replace_words
from luthier.data.augment._random import distinct
from luthier.data.augment._word_lists import STOP_WORDS, common_words

_WORDS = re.compile(r"[^\W\d_]+")
_VOWELS = frozenset("aeiouy")
_SHORTEST = 3
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
    mutual: bool = True
    """Whether a synonym must have the word among its own first ``meanings`` too."""
    min_word_similarity: float = Field(default=0.6, ge=-1.0, le=1.0)
    """Synonyms whose vectors have a smaller cosine to the word's are not used."""
    word_list: str | None = None
    """Common words, the only ones used besides the words of the rows; a UTF-8 file, one word first
    on each line. By default some 6,700 English ones that travel with this program."""
    similar: bool = False
    """Whether "similar terms" are used too; they are looser than synonyms."""


@dataclasses.dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a word.

    Attributes:
        part: ``noun``, ``verb``, ``adj`` or ``adv``, or what else the file says.
        words: Its synonyms of one word, in lower case; there may be none.
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
                    found.setdefault(word.lower(), []).extend(more)
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


def usable_words(spec: SynonymsAugmenter, base: Path, texts: Iterable[str]) -> frozenset[str]:
    """Words that may replace others: the word list's, and those of the user's rows.

    Args:
        spec: Settings.
        base: Folder that relative paths start from.
        texts: Questions and answers; a word must stand there twice.

    Raises:
        DataError: The word list cannot be read.
    """
    counts = Counter(w for text in texts for w in _WORDS.findall(text.lower()))
    own = {lemma for w, n in counts.items() if n > 1 for lemma, _ in lemmas(w)}
    if spec.word_list is None:
        return common_words() | own
    try:
        lines = (base / spec.word_list).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read these words: {error}", where=spec.word_list, mend="Check `word_list`."
        ) from error
    return frozenset(line.split()[0].lower() for line in lines if line.split()) | own


def near_only(
    thesaurus: Thesaurus,
    words: Collection[str],
    usable: Collection[str],
    encode: Encode,
    spec: SynonymsAugmenter,
) -> Thesaurus:
    """A thesaurus without the synonyms of some words that an encoder finds unlike them.

    Args:
        thesaurus: From ``read_thesaurus``.
        words: Whose synonyms are compared; those of others stay.
        usable: Only these synonyms are of use.
        encode: The encoder.
        spec: Settings; ``min_word_similarity`` is the least cosine of the two words' vectors.
    """
    pairs = sorted(
        {
            (word, synonym)
            for word in words
            for part in {m.part for m in thesaurus.get(word, ())}
            for synonym in _synonyms(
                word, [m for m in thesaurus[word] if m.part == part], part, spec, thesaurus
            )
            if synonym in usable
        }
    )
    both = sorted({word for pair in pairs for word in pair})
    place = {word: i for i, word in enumerate(both)}
    vectors = encode(both) if both else np.zeros((0, 1), np.float32)
    near = {
        (one, other)
        for one, other in pairs
        if float(vectors[place[one]] @ vectors[place[other]]) >= spec.min_word_similarity
    }
    return {
        word: [
            Meaning(m.part, tuple(w for w in m.words if word not in words or (word, w) in near))
            for m in meanings
        ]
        for word, meanings in thesaurus.items()
    }


def with_synonyms(
    text: str,
    spec: SynonymsAugmenter,
    thesaurus: Thesaurus,
    usable: Collection[str],
    number: int,
    seed: int,
    keep: Collection[str] = (),
    checked: bool = True,
) -> list[str]:
    """Texts with some words replaced by synonyms.

    Args:
        text: Any text.
        spec: Settings.
        thesaurus: From ``read_thesaurus``.
        usable: Words that may replace others, from ``usable_words``.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never altered, in lower case.
        checked: Whether an encoder compares the texts afterwards; if not, words with several
            meanings are left alone.
    """
    cut = pieces(text, keep)
    options = {
        i: found
        for i, piece in enumerate(cut)
        if piece.kind == "word" and (found := synonyms_at(cut, i, spec, thesaurus, usable, checked))
    }
    if not options:
        return []

    def make(chance: random.Random) -> str:
        places = chance.sample(sorted(options), how_many(len(options), spec.rate))
        return replace_words(cut, lambda i: chance.choice(options[i]), sorted(places))

    return distinct(make, text, number, seed, spec.kind)


def synonyms_at(
    cut: Sequence[Piece],
    place: int,
    spec: SynonymsAugmenter,
    thesaurus: Thesaurus,
    usable: Collection[str],
    checked: bool = True,
) -> list[str]:
    """What may stand in a word's place, in the word's own form."""
    word = cut[place].text.lower()
    if word in STOP_WORDS or len(word) < _SHORTEST:
        return []
    parts = guess_parts(_neighbour(cut, place, -1), word, _neighbour(cut, place, 1))
    found: dict[str, None] = {}
    for lemma, ending in lemmas(word):
        known = [m for m in thesaurus.get(lemma, ()) if _may_end(m.part, ending)]
        chosen = next((p for p in parts if any(m.part == p for m in known)), "")
        if parts and not chosen:
            continue
        if not chosen and len({m.part for m in known}) != 1:
            continue
        part = chosen or known[0].part
        own = [m for m in known if m.part == part]
        if not checked and len(own) > 1:
            continue
        for synonym in _synonyms(lemma, own, part, spec, thesaurus):
            form = inflected(synonym, ending) if synonym in usable else ""
            if form and form != word and form not in STOP_WORDS:
                found[form] = None
    return list(found)


def _synonyms(
    lemma: str,
    meanings: Sequence[Meaning],
    part: str,
    spec: SynonymsAugmenter,
    thesaurus: Thesaurus,
) -> Iterator[str]:
    """Synonyms of a word's first meanings, no abbreviations, that have it as a synonym too."""
    for synonym in (w for meaning in meanings[: spec.meanings] for w in meaning.words):
        if len(synonym) < _SHORTEST or synonym == lemma or not _VOWELS.intersection(synonym):
            continue
        if any(stem in thesaurus for stem, ending in lemmas(synonym) if ending):
            continue  # inflected already
        back = [m for m in thesaurus.get(synonym, ()) if m.part == part][: spec.meanings]
        if not spec.mutual or any(lemma in m.words for m in back):
            yield synonym


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
