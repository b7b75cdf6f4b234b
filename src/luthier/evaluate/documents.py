"""Measure answers from documents: right, complete, faithful, cited, or rightly withheld.

No model judges; the same answers get the same figures. By question, 0 to 1 and higher is better
except where said; nan where a question has no such figure:

- ``exact_match``, ``token_f1``: SQuAD's, against the nearest of the accepted answers
- ``holds_answer``: whether an accepted answer stands in what was said (fair to whole sentences)
- ``answered``: of questions that the documents answer, whether one was given
- ``withheld``: of questions that they do not answer, whether none was given. Where a question's
  documents are known it is asked once more as if they, and all else that says the answer, were gone
- ``citation_precision``: share of the cited documents that are known to answer
- ``citation_recall``: share of the documents known to answer that are cited
- ``faithfulness``, ``context_relevance``, ``attribution``, ``utilisation`` (neither high nor low is
  good by itself), ``completeness``: see `luthier.rag.measuring.answered`; but for the relevance
  only of answers that were given
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from luthier.core.errors import DataError
from luthier.core.progress import Progress
from luthier.core.records import Message
from luthier.evaluate.metrics import exact_match, normalise, token_f1
from luthier.models.generate import Reply, Sampling
from luthier.rag.access import may_see
from luthier.rag.answer import RagAnswerer
from luthier.rag.calibration import Without
from luthier.rag.extract import ExtractiveAnswerer
from luthier.rag.index import Index
from luthier.rag.measure import Leak, Measurement, Sought
from luthier.rag.measuring.answered import Answered, use
from luthier.rag.spec import RagSpec

Answerer = RagAnswerer | ExtractiveAnswerer
METRICS = (
    "exact_match", "token_f1", "holds_answer", "answered", "withheld", "citation_precision",
    "citation_recall", "faithfulness", "context_relevance", "attribution", "utilisation",
    "completeness",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """An answer that was measured.

    Attributes:
        question: Its id.
        text: What was said, without the warning.
        withheld: Whether it is no answer, or one with a warning before it.
        empty: Whether it is no answer.
        cited: Ids of the documents it cites.
        without: What was said when the documents that answer were taken away; "" if not asked.
    """

    question: str
    text: str
    withheld: bool
    empty: bool
    cited: tuple[str, ...]
    without: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """What a route did with some questions.

    Attributes:
        measured: Its figures, `METRICS`, and latencies of the answers.
        given: The answers, in the order of the questions.
    """

    measured: Measurement
    given: tuple[Given, ...]


def measure_answers(
    name: str,
    route: Answerer,
    questions: Sequence[Sought],
    access: Mapping[str, Collection[str]],
    progress: Progress,
    *,
    max_new_tokens: int = 48,
) -> Answers:
    """Ask a route all questions, each as its viewer and alone, and measure what it says.

    Args:
        name: Of the route, for the bar.
        route: Who answers, from an `luthier.rag.index.Index`.
        questions: What is asked; those that name no document and have no answer should be answered
            with nothing.
        access: Access lists by the id of documents; what has none here is seen by nobody.
        progress: Gets a bar.
        max_new_tokens: Longest answer of a model.

    Raises:
        DataError: There are no questions.
        TypeError: The route does not answer from an `Index`.
        LuthierError: As the route does.
    """
    index = route.index
    if not isinstance(index, Index):
        raise TypeError("answers are measured of routes that search an index")
    if not questions:
        raise DataError("there are no questions to measure answers with")
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=0.0, top_p=1.0)
    _say(route, questions[0], sampling)  # what is loaded at the first question is no latency
    rows, given, times, leaks = [], [], [], []
    with progress.task(f"ask {name}", len(questions)) as task:
        for one in questions:
            started = time.perf_counter()
            reply = _say(route, one, sampling)
            times.append((time.perf_counter() - started) * 1000)
            leaks += [Leak(one.id, p.id) for p in reply.passages if not may_see(p.access, one.who)]
            known = frozenset(d for d in one.relevant if may_see(access.get(d, ()), one.who))
            answer = _given(one.id, reply, index.spec)
            row = _figures(one, reply, answer, known)
            if one.unanswerable:
                row["withheld"] = float(answer.withheld)
            elif known:
                gone = dataclasses.replace(route, index=Without(index, one))
                other = _given(one.id, _say(gone, one, sampling), index.spec)
                answer = dataclasses.replace(answer, without=other.text)
                row["withheld"] = float(other.withheld)
            rows.append(row)
            given.append(answer)
            task.advance()
    values = {key: np.array([row.get(key, np.nan) for row in rows]) for key in METRICS}
    return Answers(
        Measurement(tuple(questions), values, np.array(times), tuple(leaks)), tuple(given)
    )


def _say(route: Answerer, one: Sought, sampling: Sampling) -> Reply:
    return route.seen_by(one.who).generate([(Message("user", one.text),)], sampling)[0]


def _given(question: str, reply: Reply, spec: RagSpec) -> Given:
    """What was said, bare of a warning, and whether it is an answer."""
    text, warning = reply.text.strip(), spec.abstain.warning
    warned = spec.abstain.policy == "warn" and text.startswith(warning)
    if warned:
        text = text[len(warning) :].strip()
    nothing = {"", spec.abstain.sentence, spec.extract.nothing}
    nothing |= {spec.support.nothing_left} if spec.support else set()
    nothing |= {spec.guard.refusal} if spec.guard else set()
    documents = {p.id: p.document_id for p in reply.passages}
    cited = dict.fromkeys(documents.get(c, c.rpartition("#")[0]) for c in reply.citations)
    return Given(question, text, text in nothing or warned, text in nothing, tuple(cited))


def _figures(one: Sought, reply: Reply, given: Given, known: frozenset[str]) -> dict[str, float]:
    """The figures that a question has, but for `withheld`."""
    made: dict[str, float] = {}
    if one.answers and (known or not one.relevant):
        made["exact_match"] = float(any(exact_match(given.text, a) for a in one.answers))
        made["token_f1"] = max(token_f1(given.text, a) for a in one.answers)
        said = f" {normalise(given.text)} "
        held = (f" {normalise(a)} " in said for a in one.answers if normalise(a))
        made["holds_answer"] = float(any(held))
    if known:
        made["answered"] = float(not given.withheld)
    if known and not given.empty:
        right = sum(document in known for document in given.cited)
        made["citation_recall"] = right / len(known)
        if given.cited:
            made["citation_precision"] = right / len(given.cited)
    told = Answered(one.text, given.text, reply.passages, one.answers[0] if one.answers else "")
    for key, value in use(told).figures().items():
        # "not in the documents" claims nothing that a passage could bear out
        if value is not None and (key == "context_relevance" or not given.empty):
            made[key] = value
    return made
