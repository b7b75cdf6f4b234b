"""The one renderer: the only place where messages become token ids and a loss mask.

Training, evaluation and serving all come through here, so the prompt a model is served with is,
token for token, a prefix of what it was trained on. The chat template is the tokenizer's own;
its digest goes into every bundle.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from luthier.core.errors import ModelError
from luthier.core.records import Message
from luthier.models._calls import CallForm, form_of
from luthier.models._turns import GrowingRow, Rendered, as_template_takes, json_list
from luthier.models._words import Words
from luthier.models.folder import no_template

__all__ = ["DEFAULT_TEMPLATE", "ConversationError", "Rendered", "Renderer"]

DEFAULT_TEMPLATE = (
    "{% if tools %}{{ '<|system|>Tools:' }}{% for tool in tools %}{{ '\\n' }}{{ tool | tojson }}"
    "{% endfor %}{{ '<|end|>' }}{% endif %}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}{{ '<call>' }}{{ {'name': call.function.name, "
    "'arguments': call.function.arguments} | tojson }}{{ '</call>' }}{% endfor %}"
    "{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""ChatML-like template, with tools, given to models Luthier makes from scratch."""

_TURN_ENDS = (
    *("<|im_end|>", "<|end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<turn|>"),
    *("</s>", "<|endoftext|>", "<|END_OF_TURN_TOKEN|>", "<|return|>", "<|call|>"),
)
_FIXED = {
    # models that can think aloud are prompted, and so trained, to answer at once
    "enable_thinking": False,
    # Llama 3's templates would write today's date: tomorrow's prompt would differ from the trained
    "date_string": "26 Jul 2024",
}
_PROBE_TOOL = "luthier_probe_tool"
_PROBE_RESULT = "luthier probe result"
_PROBE_FUNCTION: dict[str, Any] = {
    "name": _PROBE_TOOL,
    "description": "luthier probe description",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string", "description": "Its name."}},
        "required": ["place"],
    },
}
_PROBE_TOOLS = json.dumps([{"type": "function", "function": _PROBE_FUNCTION}])


class ConversationError(ModelError):
    """This conversation, or its tools, cannot be shown to this model; another one may be."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Turn:
    """The texts of an assistant's turn.

    Attributes:
        number: Which of the messages.
        before: The conversation up to where it begins.
        answered: The same with its answer.
    """

    number: int
    before: str
    answered: str


class Renderer:
    """Turns conversations into token ids with one tokenizer and its chat template.

    Args:
        tokenizer: A ``transformers`` tokenizer with a chat template.

    Raises:
        ModelError: The tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise no_template(getattr(tokenizer, "name_or_path", ""))
        self.tokenizer = tokenizer

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the chat template: what must not differ between tuning and serving."""
        texts = [self.template]
        if isinstance(self.tokenizer.chat_template, dict):  # another one where there are tools
            texts += [text for _, text in sorted(self.tokenizer.chat_template.items())]
        return hashlib.sha256("".join(texts).encode()).hexdigest()

    @property
    def template(self) -> str:
        """The chat template (the default one where a tokenizer has several)."""
        template: str = self.tokenizer.get_chat_template()
        return template

    def prompt_ids(self, messages: Sequence[Message], tools: str = "") -> list[int]:
        """Token ids of a conversation up to where the assistant begins to speak.

        Args:
            messages: The turns so far.
            tools: The tools on offer, a JSON list as OpenAI's API takes it, or "".

        Raises:
            ModelError: The template refuses the conversation, or leaves its tools out.
        """
        self._require_tools(messages, tools)
        ids: list[int] = []
        text = ""
        for position in (*_answers(messages), len(messages)):
            longer = self._text(messages[:position], tools, answer_next=True)
            ids, text = self._extended(ids, text, longer, self._ids), longer
        return ids

    def text_ids(self, text: str) -> list[int]:
        """Token ids of plain text, without a template or special tokens."""
        return self._ids(text)

    def render(self, messages: Sequence[Message], tools: str = "") -> Rendered:
        """Token ids and loss mask of a conversation that ends with an assistant turn, as one row.

        Every assistant turn is learned, with the stop token that ends it and nothing the template
        puts behind that token; the row ends there. Turns of weight 0 are context only.

        Args:
            messages: The turns.
            tools: The tools on offer, a JSON list as OpenAI's API takes it, or "".

        Raises:
            ModelError: The template refuses the conversation, leaves its tools out, rewrites
                earlier turns, so that a prompt is no prefix of what would be trained, or ends an
                answer without a stop token.
        """
        found = self.rows(messages, tools)
        if len(found) > 1:
            raise _changed()
        return found[0]

    def rows(self, messages: Sequence[Message], tools: str = "") -> list[Rendered]:
        """The same in as few rows as possible: several where the template rewrites earlier turns.

        Templates of thinking models drop the thoughts of earlier turns. Each turn is then learned
        behind the very prompt that is served for it, and in one row only.

        Args: See ``render``.

        Raises:
            ModelError: See ``render``; earlier turns may be rewritten, but no prompt by its answer.
        """
        return self._rows(messages, self._turns(messages, tools), self._ids)

    def rows_of(
        self, conversations: Sequence[tuple[Sequence[Message], str]]
    ) -> list[list[Rendered] | ModelError]:
        """``rows`` of many conversations, each with its tools, tokenised at once: much faster.

        Returns:
            For each conversation its rows, or why it has none.
        """
        texts: list[list[_Turn] | ModelError] = []
        for messages, tools in conversations:
            try:
                texts.append(self._turns(messages, tools))
            except ModelError as error:
                texts.append(error)
        turns = [turn for found in texts if not isinstance(found, ModelError) for turn in found]
        known = self._ids_of({text for turn in turns for text in (turn.before, turn.answered)})
        rows: list[list[Rendered] | ModelError] = []
        for (messages, _), found in zip(conversations, texts, strict=True):
            try:
                if isinstance(found, ModelError):
                    raise found
                rows.append(self._rows(messages, found, known.__getitem__))
            except ModelError as error:
                rows.append(error)
        return rows

    @functools.cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: the tokenizer's end token and the template's own turn ends."""
        tokenizer = self.tokenizer
        ids = {tokenizer.eos_token_id}
        vocabulary = tokenizer.get_vocab()  # made anew at each call
        for token in _TURN_ENDS:
            known = vocabulary.get(token)
            # a pad token among them would end answers at padding (transformers#48016)
            if known not in (None, tokenizer.pad_token_id) and token in self.template:
                ids.add(known)
        return frozenset(i for i in ids if i is not None)

    @functools.cached_property
    def call_form(self) -> CallForm | None:
        """How calls are written where tools are on offer; None if not as objects of JSON."""
        asked = [Message("user", "Where?")]
        stops = [str(t) for t in self.tokenizer.convert_ids_to_tokens(sorted(self.stop_ids))]

        def written(turn: Message) -> str:
            try:
                prompt = self._text(asked, _PROBE_TOOLS, answer_next=True)
                whole = self._text([*asked, turn], _PROBE_TOOLS, answer_next=False)
            except ModelError:
                return ""
            answer = whole.removeprefix(prompt) if whole.startswith(prompt) else ""
            return answer[: min((at for s in stops if (at := answer.find(s)) >= 0), default=None)]

        return form_of(written)

    def check(self) -> None:
        """Render a probe conversation and hold it against what training needs.

        Raises:
            ModelError: Nothing would be learned, the stop token is not trained, or a prompt is
                not a prefix of its training text.
        """
        probe = [
            Message("user", "How many strings has a violin?"),
            Message("assistant", "Four."),
        ]
        rendered = self.render(probe)
        learned = [i for i, keep in zip(rendered.ids, rendered.mask, strict=True) if keep]
        if not learned:
            raise ModelError("the chat template leaves nothing to learn: every token is masked")
        text = self.tokenizer.decode([i for i in learned if i not in self.stop_ids])
        if text.strip() != "Four.":
            raise ModelError(f"the loss mask does not cover the answers exactly: {text!r}")

    def _turns(self, messages: Sequence[Message], tools: str) -> list[_Turn]:
        self._require_tools(messages, tools)
        return [
            _Turn(
                position,
                self._text(messages[:position], tools, answer_next=True),
                self._text(messages[: position + 1], tools, answer_next=False),
            )
            for position in _answers(messages)
        ]

    def _rows(
        self,
        messages: Sequence[Message],
        turns: Sequence[_Turn],
        ids_of: Callable[[str], list[int]],
    ) -> list[Rendered]:
        """Rows of rendered turns; a new one begins where a prompt is not what came before it."""
        rows = [GrowingRow()]
        prompt: list[int] = []
        text = ""
        for turn in turns:
            prompt, text = self._extended(prompt, text, turn.before, ids_of), turn.before
            whole = self._longer(prompt, text, turn.answered, ids_of)
            if whole is None:
                raise _changed()
            message = messages[turn.number]
            end = self._answer_end(whole, len(prompt), message)
            if prompt[: len(rows[-1].ids)] != rows[-1].ids:
                rows.append(GrowingRow())
            rows[-1].extend(whole[:end], len(prompt), message.weight, turn.number)
        learned = [row for row in rows if any(row.weights)]
        return [row.rendered() for row in learned or rows[:1]]

    def _extended(
        self, ids: list[int], text: str, longer: str, ids_of: Callable[[str], list[int]]
    ) -> list[int]:
        """Ids of a longer prompt; read anew if the template rewrote what stands before."""
        found = self._longer(ids, text, longer, ids_of)
        return ids_of(longer) if found is None else found

    def _longer(
        self, ids: list[int], text: str, longer: str, ids_of: Callable[[str], list[int]]
    ) -> list[int] | None:
        """Token ids of a text that begin with those of its beginning; None if it has another.

        The last sign of a prompt and the first of the answer may be one token when read together
        (two line breaks, say). A served prompt ends between them, so the rest is read apart.
        """
        if not longer.startswith(text):
            return None
        whole = ids_of(longer)
        if whole[: len(ids)] == ids:
            return whole
        return ids + self._ids(longer[len(text) :])

    def _answer_end(self, whole: list[int], start: int, answer: Message) -> int:
        """Where the stop token ends that follows the answer; stop tokens within it do not count."""
        stops = self.stop_ids
        places = [i for i in range(start, len(whole)) if whole[i] in stops]
        inside = 0
        if len(places) > 1:
            inside = sum(i in stops for i in self._ids(answer.content + answer.tool_calls))
        if len(places) > inside:
            return places[inside] + 1
        raise ModelError(
            "the chat template ends an answer without a stop token: the model would never learn "
            "to stop",
            mend="Let the template write the tokenizer's end token after each assistant turn.",
        )

    def _require_tools(self, messages: Sequence[Message], tools: str) -> None:
        """Raise if the template would silently leave out tools, their calls or their results."""
        used = {
            "tools": bool(tools),
            "tool calls": any(m.tool_calls for m in messages),
            "tool results": any(m.role == "tool" for m in messages),
        }
        for what, needed in used.items():
            if needed and what in self._left_out[bool(tools)]:
                raise ConversationError(
                    f"the chat template leaves out the {what} of a conversation",
                    mend="Choose a model whose chat template knows tools.",
                )

    @functools.cached_property
    def _left_out(self) -> dict[bool, set[str]]:
        """What of conversations with tools the template does not write, by whether any are offered.

        A tokenizer may have a template of its own for conversations that offer tools.
        """
        call = {"function": {"name": _PROBE_TOOL, "arguments": {"place": "here"}}}
        asked, done = Message("user", "Where?"), Message("assistant", "Done.")
        called = Message("assistant", "", tool_calls=json.dumps([call]))
        used = [asked, called, Message("tool", _PROBE_RESULT), done]
        parts = {
            "tools": (_PROBE_TOOLS, [asked, done], _PROBE_FUNCTION["description"]),
            "tool calls": ("", used, _PROBE_TOOL),
            "tool results": ("", used, _PROBE_RESULT),
        }
        missing: dict[bool, set[str]] = {True: set(), False: set()}
        for offered, names in missing.items():
            for what, (own, messages, mark) in parts.items():
                try:
                    text = self._text(messages, _PROBE_TOOLS if offered else own, answer_next=False)
                except ModelError:  # so is the conversation itself, if for the same reason
                    continue
                if mark not in text:
                    names.add(what)
        return missing

    def _text(self, messages: Sequence[Message], tools: str, *, answer_next: bool) -> str:
        offered = json_list(tools, "tools") if tools else None
        try:
            text: str = self.tokenizer.apply_chat_template(
                as_template_takes(messages),
                tools=offered,
                tokenize=False,
                add_generation_prompt=answer_next,
                **_FIXED,
            )
        except ModelError:
            raise
        except Exception as error:  # templates raise their own errors through jinja
            told = f"the chat template refuses this conversation: {error}"
            raise ConversationError(told) from error
        return text

    def _ids(self, text: str) -> list[int]:
        return self._words.ids_of([text])[0]

    def _ids_of(self, texts: Collection[str]) -> dict[str, list[int]]:
        """Token ids of many texts at once."""
        return dict(zip(texts, self._words.ids_of(list(texts)), strict=True))

    @functools.cached_property
    def _words(self) -> Words:
        return Words(self.tokenizer)


def _answers(messages: Sequence[Message]) -> list[int]:
    return [number for number, message in enumerate(messages) if message.role == "assistant"]


def _changed() -> ModelError:
    return ModelError(
        "the chat template changes earlier tokens when an answer is added: the prompt served "
        "would differ from the prompt trained",
        mend="Mend the template so that add_generation_prompt only appends.",
    )
