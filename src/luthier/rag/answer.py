"""Answer with retrieved passages: a `Generate` around another `Generate`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Generator, Iterator, Sequence

from luthier.core.records import Message
from luthier.models.generate import Generate, LocalModel, Reply, Sampling, Score
from luthier.rag.access import Viewer
from luthier.rag.augment import AugmentSpec, CountPrompt, Prompt, fill
from luthier.rag.cite import cite
from luthier.rag.guarding.care import Asked, Care, Finds, last_question
from luthier.rag.guarding.leaving import Leaving
from luthier.rag.spec import RagSpec
from luthier.rag.support import Checker, Judge, SupportSpec

__all__ = ["Care", "Finds", "RagAnswerer", "last_question", "special_tokens"]

_FRAME_TOKENS = 16  # for "Context:", "Question:" and what a template puts around one message


@dataclasses.dataclass(frozen=True, slots=True)
class RagAnswerer:
    """Looks up passages for the last user turn and has another model answer with them.

    Replies carry the passages that were in the prompt and, as citations, those that verifiably
    support the answer. Their latency includes the retrieval.

    Attributes:
        inner: Who answers.
        index: Where passages are found.
        spec: ``context_tokens`` is the budget of passages; it shrinks where the conversation and
            the answer leave less room, so that passages give way before the question does.
        augment: Their order in the prompt, and what becomes of duplicates.
        care: Who asks, what is refused and what is logged.
        support: What becomes of sentences that no passage supports; None: answers leave unchecked,
            and citations say whether the answer as a whole is supported.
        judge: A second opinion on sentences.
    """

    inner: Generate
    index: Finds
    spec: RagSpec
    augment: AugmentSpec = dataclasses.field(default_factory=AugmentSpec)
    care: Care = dataclasses.field(default_factory=Care)
    support: SupportSpec | None = None
    judge: Judge | None = None

    def seen_by(self, viewer: Viewer) -> RagAnswerer:
        """The same for another viewer."""
        return dataclasses.replace(self, care=dataclasses.replace(self.care, viewer=viewer))

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Answer each conversation; a reply's latency counts the retrieval for the whole batch.

        Raises:
            StoreError: The audit is required and cannot be written; so ``ResourceError``.
        """
        started = time.perf_counter()
        room = [sampling.max_new_tokens] * len(conversations)
        offered = list(tools) or [""] * len(conversations)
        asked = self.care.look_up(self.index, conversations)
        prompts = self._prompts(asked, room, offered)
        for one, prompt in zip(asked, prompts, strict=True):
            self.care.begin(one, prompt.ids(), [p.document_id for p in prompt.passages])
        retrieval = time.perf_counter() - started
        asking = [i for i, one in enumerate(asked) if not one.said]
        with self.care.watching(asked):
            replies = self.inner.generate(
                [prompts[i].messages for i in asking],
                sampling,
                tools=[offered[i] for i in asking] if tools else (),
            )
        given = dict(zip(asking, replies, strict=True))
        told = []
        for i, (one, prompt) in enumerate(zip(asked, prompts, strict=True)):
            reply = self._finished(one, prompt, given[i]) if i in given else self._refusal(one)
            told.append(dataclasses.replace(reply, latency_s=reply.latency_s + retrieval))
        return told

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        """Answer piece by piece; the last item is the whole reply.

        Where answers are checked or watched, a piece is a sentence.
        """
        started = time.perf_counter()
        [one] = self.care.look_up(self.index, [conversation])
        [prompt] = self._prompts([one], [sampling.max_new_tokens], [tools])
        self.care.begin(one, prompt.ids(), [p.document_id for p in prompt.passages])
        retrieval = time.perf_counter() - started
        if one.said:
            reply = self._refusal(one)
            yield reply.text
        else:
            pieces = self.inner.stream(prompt.messages, sampling, tools)
            reply = yield from self._passed(one, prompt, pieces)
        yield dataclasses.replace(reply, latency_s=reply.latency_s + retrieval)

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str | Message],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        """Likelihoods of reference answers, given the conversation with its passages."""
        room = [
            self.inner.count_tokens(r if isinstance(r, str) else r.content + r.tool_calls)
            for r in references
        ]
        asked = self.care.look_up(self.index, conversations)
        prompts = self._prompts(asked, room, list(tools) or [""] * len(conversations))
        return self.inner.score([p.messages for p in prompts], references, tools=tools)

    def count_tokens(self, text: str) -> int:
        """As the answering model counts."""
        return self.inner.count_tokens(text)

    @property
    def context_length(self) -> int:
        """Of the answering model, in tokens."""
        return self.inner.context_length

    def _prompts(
        self, asked: Sequence[Asked], answer_tokens: Sequence[int], tools: Sequence[str]
    ) -> list[Prompt]:
        """The prompt of each question; the bare conversation where no model is asked."""
        return [
            Prompt(one.conversation) if one.said else self._prompt(one, room, own)
            for one, room, own in zip(asked, answer_tokens, tools, strict=True)
        ]

    def _prompt(self, asked: Asked, answer_tokens: int, tools: str) -> Prompt:
        count, budget = self._counter(tools), self.spec.context_tokens
        if count is None:  # an estimate has to do
            budget = self._budget(asked.conversation, answer_tokens + self.count_tokens(tools))
        return fill(
            asked.conversation,
            asked.passages,
            self.augment,
            budget_tokens=budget,
            count_tokens=self.inner.count_tokens,
            most_tokens=self.inner.context_length - answer_tokens,
            count_prompt=count,
            write=None if self.care.guard is None else self.care.guard.writer(),
        )

    def _counter(self, tools: str) -> CountPrompt | None:
        """How the answering model counts a whole prompt, where it can tell."""
        if not isinstance(self.inner, LocalModel):
            return None
        renderer = self.inner.model.renderer
        return lambda messages: len(renderer.prompt_ids(messages, tools))

    def _budget(self, messages: Sequence[Message], answer_tokens: int) -> int:
        said = sum(
            self.inner.count_tokens(m.content + m.tool_calls) + _FRAME_TOKENS for m in messages
        )
        left = self.inner.context_length - said - answer_tokens - _FRAME_TOKENS
        return min(self.spec.context_tokens, left)

    def _leaving(self, asked: Asked, prompt: Prompt) -> Leaving:
        """What an answer goes through before it leaves."""
        guard, abstention = self.care.guard, self.care.abstention
        watch = checker = None
        if guard is not None:
            said = [m.content for m in asked.conversation]
            watch = guard.outgoing(prompt.passages, said, self.care.viewer)
        if self.support is not None:
            free = [*([guard.spec.refusal] if guard else [])]
            free += [abstention.spec.sentence] if abstention else []
            checker = Checker(
                self.support, prompt.passages, asked.question, judge=self.judge, free=free
            )
        return Leaving(watch, checker, asked.warning)

    def _finished(self, asked: Asked, prompt: Prompt, reply: Reply) -> Reply:
        """A whole reply as it may leave."""
        leaving = self._leaving(asked, prompt)
        text = leaving.whole(reply.text)
        reply = dataclasses.replace(leaving.calls(reply), text=text)
        return self._logged(asked, prompt, leaving, reply)

    def _passed(
        self, asked: Asked, prompt: Prompt, pieces: Iterator[str | Reply]
    ) -> Generator[str, None, Reply]:
        """Pieces as they may leave, and the reply they make."""
        leaving, told = self._leaving(asked, prompt), list[str]()
        reply: Reply | None = None
        with self.care.watching([asked], prompt.passages), contextlib.ExitStack() as last:
            if isinstance(pieces, Generator):
                last.callback(pieces.close)
            for piece in pieces:
                if isinstance(piece, Reply):
                    reply = leaving.calls(piece)
                    continue
                for one in leaving.feed(piece):
                    told.append(one)
                    yield one
                if leaving.stopped:
                    break
            for one in leaving.end():
                told.append(one)
                yield one
        text = "".join(told).strip()
        if reply is None:
            reply = Reply(text, prompt.tokens, self.inner.count_tokens(text), 0.0, "stop")
        if leaving.active:
            reply = dataclasses.replace(reply, text=text)
        return self._logged(asked, prompt, leaving, reply)

    def _logged(self, asked: Asked, prompt: Prompt, leaving: Leaving, reply: Reply) -> Reply:
        checker, passages = leaving.checker, prompt.passages
        cited = cite(reply.text, passages) if checker is None else checker.citations
        reply = dataclasses.replace(reply, passages=passages, citations=_all_sources(cited, prompt))
        notes = {**leaving.notes, "no room": len(prompt.left_out)}
        told = {name: count for name, count in notes.items() if count}
        self.care.end(asked, leaving.outcome, passages, reply.citations, told)
        return reply

    def _refusal(self, asked: Asked) -> Reply:
        """What is said where no model is asked."""
        self.care.end(asked, asked.outcome)
        return Reply(asked.said, 0, self.inner.count_tokens(asked.said), 0.0, "stop")


def _all_sources(cited: Sequence[str], prompt: Prompt) -> tuple[str, ...]:
    """Citations, where a passage stands for several with the ids of all of them."""
    return tuple(one for name in cited for one in prompt.sources.get(name, (name,)))


def special_tokens(model: Generate) -> frozenset[str]:
    """A local model's special tokens, for `luthier.rag.guard.Guard`; empty for others."""
    if not isinstance(model, LocalModel):
        return frozenset()
    return frozenset(map(str, model.model.tokenizer.all_special_tokens))
