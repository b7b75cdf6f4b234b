"""What happens around every answer from documents: who sees what, what is refused and logged.

`RagAnswerer` and `ExtractiveAnswerer` both go through here, so that neither has a way around it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from luthier.core.errors import LuthierError
from luthier.core.records import Message, Passage
from luthier.rag.abstain import Abstention
from luthier.rag.access import ANYONE, Slice, Viewer
from luthier.rag.audit import Audit, Outcome
from luthier.rag.guard import Guard, Inspected

logger = logging.getLogger(__name__)

Query = Callable[[Sequence[Message]], str]
"""Makes of a conversation the question that is searched for."""


class Finds(Protocol):
    """What an answerer asks of an index (`luthier.rag.index.Index`).

    Its search also takes ``part``, a `Slice`; without one it looks at what `ANYONE` may see.
    """

    def search_many(self, queries: Sequence[str]) -> list[list[Passage]]:
        """Passages for each query, best first."""


def last_question(messages: Sequence[Message]) -> str:
    """The last user turn as it stands, "" if there is none."""
    return next((m.content for m in reversed(messages) if m.role == "user"), "")


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was found for it.

    Attributes:
        asking: Names the question in the audit.
        question: As it was searched for.
        conversation: All turns.
        passages: Those that may be shown, best first.
        refused: Ids of those that were found and may not be, each with the reason.
        notes: What the guard did, as counts by name.
        said: What is said without asking a model; "" if it should be asked.
        outcome: How it ends then.
        warning: What stands before the answer; "" for nothing.
        likelihood: That the documents answer; None where nothing is calibrated.
    """

    asking: str
    question: str
    conversation: tuple[Message, ...]
    passages: tuple[Passage, ...]
    refused: tuple[tuple[str, str], ...]
    notes: Mapping[str, int]
    said: str = ""
    outcome: Outcome = "answered"
    warning: str = ""
    likelihood: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Care:
    """How questions to documents are handled.

    Attributes:
        viewer: Who asks: only what this viewer may see is found, shown and said.
        part: What else a passage must be; its ``who`` is the viewer's, whatever stands there.
        query: What is searched for; by default the last user turn.
        guard: Watches passages and answers; None to let everything pass.
        abstention: Decides whether to answer; None for always.
        audit: Where it is logged; None for nowhere.
    """

    viewer: Viewer = ANYONE
    part: Slice = dataclasses.field(default_factory=Slice)
    query: Query = last_question
    guard: Guard | None = None
    abstention: Abstention | None = None
    audit: Audit | None = None

    def look_up(self, index: Finds, conversations: Sequence[Sequence[Message]]) -> list[Asked]:
        """Search for each conversation's question and decide what may be shown."""
        if not conversations:
            return []
        part = dataclasses.replace(self.part, who=self.viewer)
        questions = [self.query(messages) for messages in conversations]
        searched: Any = index
        found = (
            searched.search_many(questions)
            if part == Slice()
            else searched.search_many(questions, part=part)
        )
        return [
            self._asked(question, tuple(messages), rows, part)
            for question, messages, rows in zip(questions, conversations, found, strict=True)
        ]

    def begin(self, asked: Asked, ids: Sequence[str], documents: Sequence[str]) -> None:
        """Log what is about to be shown; see `_log`."""
        self._log(asked, "asked", ids, documents)

    def end(
        self,
        asked: Asked,
        outcome: Outcome,
        passages: Sequence[Passage] = (),
        citations: Sequence[str] = (),
        notes: Mapping[str, int] | None = None,
    ) -> None:
        """Log how it ended."""
        self._log(
            asked,
            outcome,
            [p.id for p in passages],
            [p.document_id for p in passages],
            citations,
            {**asked.notes, **(notes or {})},
        )

    @contextlib.contextmanager
    def watching(self, asked: Sequence[Asked], passages: Sequence[Passage] = ()) -> Iterator[None]:
        """Log an answer that ends early: its reader left, or the model failed."""
        try:
            yield
        except (GeneratorExit, KeyboardInterrupt):
            self._ended(asked, "abandoned", passages)
            raise
        except BaseException:
            self._ended(asked, "error", passages)
            raise

    def _ended(self, asked: Sequence[Asked], outcome: Outcome, passages: Sequence[Passage]) -> None:
        for one in asked:
            self.end(one, outcome, passages)

    def _asked(
        self, question: str, messages: tuple[Message, ...], rows: Sequence[Passage], part: Slice
    ) -> Asked:
        mine = [p for p in rows if part.holds(p)]  # the index's own rule, once more
        refused = [(p.id, "access") for p in rows if not part.holds(p)]
        seen = Inspected(tuple(mine)) if self.guard is None else self.guard.inspect(mine)
        kept = {p.id for p in seen.passages}
        refused += [(s.passage_id, "injection") for s in seen.suspects if s.passage_id not in kept]
        asked = Asked(
            asking=secrets.token_hex(8),
            question=question,
            conversation=messages,
            passages=seen.passages,
            refused=tuple(refused),
            notes={
                name: count
                for name, count in (("suspects", len(seen.suspects)), ("marks", seen.neutralised))
                if count
            },
        )
        if seen.refused and self.guard is not None:
            return dataclasses.replace(asked, said=self.guard.spec.refusal, outcome="refused")
        return self._decided(asked)

    def _decided(self, asked: Asked) -> Asked:
        if self.abstention is None or not asked.question.strip():
            return asked
        decision = self.abstention.decide(asked.question, asked.passages)
        asked = dataclasses.replace(asked, likelihood=decision.likelihood)
        spec = self.abstention.spec
        if decision.answer:
            return asked
        if spec.policy == "warn":
            return dataclasses.replace(asked, warning=spec.warning)
        return dataclasses.replace(asked, said=spec.sentence, outcome="abstained")

    def _log(
        self,
        asked: Asked,
        outcome: Outcome,
        ids: Sequence[str],
        documents: Sequence[str],
        citations: Sequence[str] = (),
        notes: Mapping[str, int] | None = None,
    ) -> None:
        """Write a line; where it must be written and cannot, the error goes on to the caller."""
        if self.audit is None:
            return
        try:
            self.audit.write(
                asked.asking,
                outcome,
                self.viewer,
                asked.question,
                passages=ids,
                documents=documents,
                refused=asked.refused,
                citations=citations,
                notes=dict(notes or {}),
            )
        except LuthierError as error:
            if self.audit.spec.required:
                raise
            logger.warning("an answer was not logged in the audit: %s", error)
