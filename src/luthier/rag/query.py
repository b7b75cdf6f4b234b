"""Make of a question, or a conversation, what is searched for.

Steps run in one order: normalise, simplify, fold the conversation, mend spelling, split, ask in
other words, make up answers, map the vector, move it towards what is found. Only normalising is on
by default; the others are switched on where `luthier rag tune` shows that they gain more than they
cost.

Nothing here can widen what a viewer sees: the outcome is texts and vectors, and every search with
them goes through the viewer's slice. A model that fails or answers badly leaves the question as it
was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from luthier.core.errors import ConfigError
from luthier.core.records import Message
from luthier.core.spec import Spec, allow_bare
from luthier.models.generate import Generate
from luthier.rag.queries.feedback import FeedbackSpec, rocchio
from luthier.rag.queries.fold import FoldModel, FoldRules, fold_by_model, fold_by_rules
from luthier.rag.queries.hypothetical import HypotheticalSpec, make_up, towards
from luthier.rag.queries.language import Language, plain, read_language
from luthier.rag.queries.linear_map import LinearMap
from luthier.rag.queries.normalise import normalise
from luthier.rag.queries.phrasings import (
    Paraphrases,
    Synonyms,
    by_model,
    by_synonyms,
    read_synonyms,
)
from luthier.rag.queries.simplify import simplify
from luthier.rag.queries.spelling import Speller, SpellingSpec
from luthier.rag.queries.split import SplitModel, SplitRules, split_by_model, split_by_rules

Vector = npt.NDArray[np.float32]

FoldSpec = Annotated[FoldRules | FoldModel, Field(discriminator="kind")]
SplitSpec = Annotated[SplitRules | SplitModel, Field(discriminator="kind")]
PhrasingsSpec = Annotated[Synonyms | Paraphrases, Field(discriminator="kind")]
SHORTHANDS = {"fold": "kind", "split": "kind", "phrasings": "kind"}
"""``fold: rules`` means ``fold: {kind: rules}``."""


class QuerySpec(Spec):
    """What is done to a question before it is searched for."""

    normalise: bool = True
    """Plain characters, quotes and spaces; what is shouted becomes lower case."""
    simplify: bool = False
    """Take away courtesy at its ends ("can you please tell me", "thanks in advance")."""
    language: str = "english"
    """Whose courtesy, pronouns and stop words: ``english``, or a file of your own."""
    spelling: SpellingSpec | None = None
    """Mend words that the corpus does not know by words that it does; ``{}`` for the defaults."""
    fold: FoldSpec | None = None
    """Make a question of a conversation that can be searched for alone: ``rules`` or ``model``."""
    split: SplitSpec | None = None
    """Search for the parts of a question besides the whole: ``rules`` or ``model``."""
    phrasings: PhrasingsSpec | None = None
    """Ask in other words too: ``synonyms`` (with a file) or ``model``."""
    hypothetical: HypotheticalSpec | None = None
    """Search near answers that a model makes up (HyDE); ``{}`` for the defaults."""
    map: str | None = None
    """Folder of a map of question vectors learned from clicks or judgements."""
    feedback: FeedbackSpec | None = None
    """Move the question's vector towards the first passages (Rocchio); ``{}`` for the defaults."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema for editors, which also allows the shorthands."""
        return allow_bare(handler.resolve_ref_schema(handler(core_schema)), SHORTHANDS)


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """One thing to search for.

    Attributes:
        text: For the search by words; also what is encoded if there is no vector.
        weight: Of what it finds; the question as a whole has 1.
        vector: For the search by meaning, float32 [dimension] of length 1; None if the text's own.
    """

    text: str
    weight: float = 1.0
    vector: Vector | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What a step did, or why it did nothing where it should have.

    Attributes:
        step: ``normalise``, ``simplify``, ``fold``, ``spelling``, ``split``, ``phrasings``,
            ``hypothetical``, ``map`` or ``feedback``.
        what: In words.
    """

    step: str
    what: str


@dataclasses.dataclass(frozen=True, slots=True)
class Processed:
    """A question made ready.

    Attributes:
        asks: What to search for; the first is the question as a whole. Empty if nothing was asked.
        changes: What was done, in order; for logs and ``--explain``.
    """

    asks: tuple[Ask, ...]
    changes: tuple[Change, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Tools:
    """What the steps of a query work with; each only where its step is switched on.

    Attributes:
        encode: Vectors of questions, of length 1: for hypothetical, map and feedback.
        nearest: The vectors of the passages nearest to a vector, at most so many, float32
            [passages, dimension]: for feedback. It must search the viewer's slice only.
        speller: Made once for the index: for spelling.
        frequency: In how many passages of the viewer's slice a word stands, as the search looks it
            up. With it spelling proposes nothing from passages that the viewer may not see; without
            it the speller's vocabulary must be of what everyone may see.
        known: Whether a word that the corpus lacks is a word all the same, and is left alone.
        model: For the steps of kind ``model`` and for hypothetical.
        map: Read from the folder that ``map`` names.
    """

    encode: Callable[[Sequence[str]], npt.NDArray[np.float32]] | None = None
    nearest: Callable[[Vector, int], npt.NDArray[np.float32]] | None = None
    speller: Speller | None = None
    frequency: Callable[[str], int] | None = None
    known: Callable[[str], bool] | None = None
    model: Generate | None = None
    map: LinearMap | None = None


NO_TOOLS = Tools()


def process(asked: str | Sequence[Message], spec: QuerySpec, tools: Tools = NO_TOOLS) -> Processed:
    """What to search for to answer a question.

    Args:
        asked: A question, or a conversation whose last user turn is one.
        spec: Which steps, and how.
        tools: What they work with.

    Returns:
        Asks and what was done. The caller searches for each ask within the viewer's slice and joins
        what is found by the asks' weights.

    Raises:
        ConfigError: A step is switched on whose tool is missing, or a file of words is unusable.
    """
    for error in lacking(spec, tools):
        raise error
    turns = [Message("user", asked)] if isinstance(asked, str) else list(asked)
    last = next((i for i in reversed(range(len(turns))) if turns[i].role == "user"), None)
    if last is None or not turns[last].content.strip():
        return Processed(())
    changes: list[Change] = []
    text = _as_text(turns[last].content, turns[:last], spec, tools, changes)
    asks = _parts(text, spec, tools, changes)
    if spec.hypothetical is None and spec.map is None and spec.feedback is None:
        return Processed(tuple(asks), tuple(changes))
    return Processed(tuple(_with_vectors(asks, spec, tools, changes)), tuple(changes))


def lacking(spec: QuerySpec, tools: Tools) -> list[ConfigError]:
    """Steps that are switched on and cannot work, for what they need is not there."""
    of_model = [
        name
        for name in ("fold", "split", "phrasings")
        if isinstance(getattr(spec, name), FoldModel | SplitModel | Paraphrases)
    ]
    of_model += ["hypothetical"] if spec.hypothetical else []
    of_vectors = [n for n in ("hypothetical", "map", "feedback") if getattr(spec, n) is not None]
    needs = [
        (of_model, tools.model, "a language model", "Name one, or switch the step off."),
        (of_vectors, tools.encode, "vectors", "Use the retriever hybrid or dense."),
        (["feedback"] if spec.feedback else [], tools.nearest, "vectors", "Use hybrid or dense."),
        (["spelling"] if spec.spelling else [], tools.speller, "a vocabulary", "Build the index."),
        (["map"] if spec.map else [], tools.map, "a learned map", "Learn one first."),
    ]
    return [
        ConfigError(f"this step needs {what}", where=f"rag.query.{name}", mend=mend)
        for names, tool, what, mend in needs
        if tool is None
        for name in names
    ]


def _as_text(
    question: str, before: list[Message], spec: QuerySpec, tools: Tools, changes: list[Change]
) -> str:
    """The question as one text that stands on its own."""

    def became(step: str, new: str) -> str:
        if new != text:
            changes.append(Change(step, f"'{text}' -> '{new}'"))
        return new

    text = question
    if spec.normalise:
        text = became("normalise", normalise(text)) or text
    language = read_language(spec.language) if spec.simplify or spec.fold else Language()
    if spec.simplify:
        text = became("simplify", simplify(text, language))
    if spec.fold is not None and any(m.role == "user" for m in before):
        text = became("fold", _folded(text, before, spec.fold, tools, language, changes))
    if spec.spelling is not None and tools.speller is not None:
        text, mended = tools.speller.mend(text, tools.frequency, tools.known)
        changes += [
            Change("spelling", f"'{m.word}' -> '{m.term}' (in {m.passages} passages)")
            for m in mended
        ]
    return text


def _folded(
    text: str,
    before: list[Message],
    spec: FoldRules | FoldModel,
    tools: Tools,
    language: Language,
    changes: list[Change],
) -> str:
    rules = FoldRules(turns=spec.turns)
    if isinstance(spec, FoldRules):
        return fold_by_rules(text, before, spec, language)
    if tools.model is not None:
        told = fold_by_model(text, before, spec, tools.model, language)
        if told.text:
            return told.text
        changes.append(Change("fold", f"by rules, since {told.problem}"))
    return fold_by_rules(text, before, rules, language)


def _parts(text: str, spec: QuerySpec, tools: Tools, changes: list[Change]) -> list[Ask]:
    """The question, its parts and its phrasings; no text twice."""
    asks = [Ask(text)]
    if spec.split is not None:
        language = read_language(spec.language)
        parts: list[str] = []
        problem = ""
        if isinstance(spec.split, SplitModel) and tools.model is not None:
            parts, problem = split_by_model(text, spec.split, tools.model, language)
        if problem:
            changes.append(Change("split", f"by rules, since {problem}"))
        if problem or isinstance(spec.split, SplitRules):
            parts = split_by_rules(text, language, spec.split.parts)
        asks += [Ask(part, spec.split.weight) for part in parts]
        changes += [Change("split", f"also '{part}'") for part in parts]
    if spec.phrasings is not None:
        others = _phrased(text, spec.phrasings, spec, tools, changes)
        asks += [Ask(other, spec.phrasings.weight) for other in others]
        changes += [Change("phrasings", f"also '{other}'") for other in others]
    first: dict[str, Ask] = {}
    for ask in asks:
        first.setdefault(plain(ask.text), ask)
    return list(first.values())


def _phrased(
    text: str,
    how: Synonyms | Paraphrases,
    spec: QuerySpec,
    tools: Tools,
    changes: list[Change],
) -> list[str]:
    if isinstance(how, Synonyms):
        return by_synonyms(text, read_synonyms(how.file))
    if tools.model is None:
        return []
    told = by_model(text, how, tools.model, read_language(spec.language))
    changes += [Change("phrasings", f"one less, since {t.problem}") for t in told if t.problem]
    return [t.text for t in told if t.text]


def _with_vectors(
    asks: list[Ask], spec: QuerySpec, tools: Tools, changes: list[Change]
) -> list[Ask]:
    """The asks with the vectors that the steps make of theirs."""
    if tools.encode is None:
        return asks
    vectors = np.asarray(tools.encode([ask.text for ask in asks]), dtype=np.float32)
    if spec.hypothetical is not None and tools.model is not None:
        language = read_language(spec.language)
        told = make_up(asks[0].text, spec.hypothetical, tools.model, language)
        answers = [t.text for t in told if t.text]
        changes += [
            Change("hypothetical", f"one less, since {t.problem}") for t in told if t.problem
        ]
        if answers:
            vectors[0] = towards(vectors[0], answers, tools.encode)
            changes += [Change("hypothetical", f"towards '{answer}'") for answer in answers]
    if spec.map is not None and tools.map is not None:
        vectors = tools.map.apply(vectors)
        used = "mapped" if tools.map.learned.helps else "not mapped: no gain on held-out pairs"
        changes.append(Change("map", used))
    if spec.feedback is not None and tools.nearest is not None:
        alpha, beta = spec.feedback.alpha, spec.feedback.beta
        for row, vector in enumerate(vectors):
            found = tools.nearest(vector, spec.feedback.passages)
            vectors[row] = rocchio(vector, found, alpha=alpha, beta=beta)
            changes.append(Change("feedback", f"towards {len(found)} passages"))
    return [
        dataclasses.replace(ask, vector=vector) for ask, vector in zip(asks, vectors, strict=True)
    ]
