"""Passages are data: what they order is not obeyed, and what should stay inside does not leave.

On the way in, `Guard.inspect` scans passages for instructions to a model, and takes away what could
close the prompt's frame. On the way out, `Guard.outgoing` stops or redacts secrets, links that
carry data away, marks planted in the system prompt, and texts of documents the viewer may not see.
Rules find what they know; the figures are in docs/rag/security.md.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from luthier.core.records import Passage
from luthier.core.spec import Spec
from luthier.rag.access import ANYONE, Viewer
from luthier.rag.guarding.frame import fence, neutralise
from luthier.rag.guarding.injection import Finding, scan
from luthier.rag.guarding.outgoing import Outgoing, OutgoingRules

if TYPE_CHECKING:
    from luthier.rag.guarding.hidden import Fingerprints

CANARY = "ref-"
"""How a planted mark begins; 64 random bits follow."""


class GuardSpec(Spec):
    """What happens to suspicious passages, and to what should not leave."""

    injections: Literal["keep", "mark", "drop", "refuse"] = "mark"
    """Passages that speak to the model: ``keep`` does not look, ``mark`` shows and reports them,
    ``drop`` leaves them out of the prompt, ``refuse`` gives no answer."""
    least: float = Field(0.5, gt=0.0, le=1.0)
    """Score from which a passage counts as such, 0 to 1."""
    neutralise: bool = True
    """Alter marks in passages that could close the prompt's frame, and special tokens."""
    fence: bool = False
    """Put passages between lines with a random mark and say that they are data. Changes the prompt,
    so not for models tuned on the usual one."""
    secrets: Literal["keep", "redact", "stop"] = "redact"
    """Keys, tokens and passwords in an answer: ``stop`` breaks it off."""
    links: Literal["keep", "redact"] = "redact"
    """Links and images in an answer that neither the passages nor the conversation hold."""
    hosts: tuple[str, ...] = ()
    """Hosts that links and images may always point to, with those below them."""
    refusal: str = Field("I cannot answer this from the documents.", min_length=1)
    """What is said where nothing may be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """A passage that speaks to the model.

    Attributes:
        passage_id: Which.
        score: How surely, 0 to 1.
        findings: Why, strongest first.
    """

    passage_id: str
    score: float
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Inspected:
    """Passages after a guard has seen them.

    Attributes:
        passages: Those that may stand in the prompt, as they may.
        suspects: Those that speak to the model, also where they were left out.
        neutralised: Marks that were altered.
        refused: Whether no answer should be given.
    """

    passages: tuple[Passage, ...]
    suspects: tuple[Suspect, ...] = ()
    neutralised: int = 0
    refused: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Guard:
    """Watches what goes into prompts and what comes out of them.

    Attributes:
        spec: What happens when.
        tokens: Special tokens of the answering model.
        canaries: Marks planted in system prompts (`canary`); an answer with one is stopped.
        hidden: Of documents with access lists, to find their texts in answers; None to not look.
        nonce: Makes the lines of the fence.
    """

    spec: GuardSpec
    tokens: frozenset[str] = frozenset()
    canaries: tuple[str, ...] = ()
    hidden: Fingerprints | None = None
    nonce: Callable[[], str] = lambda: secrets.token_hex(8)

    def inspect(self, passages: Sequence[Passage]) -> Inspected:
        """What may stand in a prompt of some passages."""
        spec, kept, suspects, altered = self.spec, [], [], 0
        for passage in passages:
            if spec.injections != "keep":
                found = scan(f"{passage.title}\n{passage.shown}")
                if found.score >= spec.least:
                    suspects.append(Suspect(passage.id, found.score, found.findings))
                    if spec.injections in ("drop", "refuse"):
                        continue
            safe, count = self._neutral(passage)
            altered += count
            kept.append(safe)
        if suspects and spec.injections == "refuse":
            return Inspected((), tuple(suspects), altered, refused=True)
        return Inspected(tuple(kept), tuple(suspects), altered)

    def writer(self) -> Callable[[Sequence[Passage]], str] | None:
        """How the context of one prompt is written; None for the usual way."""
        if not self.spec.fence:
            return None
        mark = self.nonce()
        return lambda passages: fence(passages, mark)

    def outgoing(
        self, passages: Sequence[Passage], conversation: Collection[str], who: Viewer = ANYONE
    ) -> Outgoing:
        """A watch over one answer.

        Args:
            passages: Those in the prompt.
            conversation: What was said so far; links in it may be repeated.
            who: Who reads the answer.
        """
        spec = self.spec
        rules = OutgoingRules(
            secrets=spec.secrets,
            links=spec.links,
            hosts=spec.hosts,
            refusal=spec.refusal,
            canaries=self.canaries,
        )
        known = [*(f"{p.title}\n{p.text}\n{p.context}" for p in passages), *conversation]
        leaks = None
        if self.hidden is not None:
            hidden = self.hidden

            def leaks(text: str) -> bool:
                return hidden.leaks(text, who)

        return Outgoing(rules, known, leaks)

    def _neutral(self, passage: Passage) -> tuple[Passage, int]:
        """The passage without marks; what it shows changes, its own text never does."""
        if not self.spec.neutralise:
            return passage, 0
        title, in_title = neutralise(" ".join(passage.title.splitlines()), self.tokens)
        text, in_text = neutralise(passage.shown, self.tokens)
        if title == passage.title and text == passage.shown:
            return passage, 0
        context = passage.context if text == passage.shown else text
        changed = dataclasses.replace(passage, title=title, context=context)
        return changed, in_title + in_text


def canary() -> str:
    """A mark to plant in a system prompt: an answer that holds it has given the prompt away."""
    return CANARY + secrets.token_hex(8)


def fingerprints(passages: Iterable[Passage]) -> Fingerprints:
    """What `Guard.hidden` takes: of all passages of an index, open ones too."""
    from luthier.rag.guarding import hidden

    return hidden.fingerprints(passages)
