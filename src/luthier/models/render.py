"""The one renderer: the only place where messages become token ids and a loss mask.

Training, evaluation and serving all come through here, so the prompt a model is served with is,
token for token, a prefix of what it was trained on. The chat template is the tokenizer's own;
its digest goes into every bundle.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from luthier.core.errors import ModelError
from luthier.core.records import Message

DEFAULT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""ChatML-like template given to models Luthier makes from scratch."""

_TURN_ENDS = ("<|im_end|>", "<|end|>", "<|eot_id|>", "<end_of_turn>", "</s>", "<|endoftext|>")


@dataclasses.dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as a model sees it.

    Attributes:
        ids: Token ids.
        mask: True where the token is learned: the assistant's content and its stop token.
    """

    ids: list[int]
    mask: list[bool]


class Renderer:
    """Turns conversations into token ids with one tokenizer and its chat template.

    Args:
        tokenizer: A ``transformers`` tokenizer with a chat template.

    Raises:
        ModelError: The tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise ModelError(
                "this model has no chat template",
                where=str(getattr(tokenizer, "name_or_path", "")),
                mend="Choose an instruction-tuned model, or put a chat_template.jinja beside it.",
            )
        self.tokenizer = tokenizer

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the chat template: what must not differ between tuning and serving."""
        return hashlib.sha256(self.template.encode()).hexdigest()

    @property
    def template(self) -> str:
        """The chat template (the default one where a tokenizer has several)."""
        template: str = self.tokenizer.get_chat_template()
        return template

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation up to where the assistant begins to speak."""
        ids: list[int] = []
        text = ""
        for position in [i for i, m in enumerate(messages) if m.role == "assistant"]:
            earlier = self._text(messages[:position], answer_next=True)
            longer = self._longer(ids, text, earlier)
            if longer is None:  # the template rewrites earlier turns: no training, but an answer
                return self._ids(self._text(messages, answer_next=True))
            ids, text = longer, earlier
        whole = self._text(messages, answer_next=True)
        longer = self._longer(ids, text, whole)
        return self._ids(whole) if longer is None else longer

    def text_ids(self, text: str) -> list[int]:
        """Token ids of plain text, without a template or special tokens."""
        return self._ids(text)

    def render(self, messages: Sequence[Message]) -> Rendered:
        """Token ids and loss mask of a conversation that ends with an assistant turn.

        Every assistant turn is learned, with the stop token that ends it and nothing the template
        puts behind that token; the row ends there.

        Raises:
            ModelError: The template rewrites earlier turns, so that a prompt is no prefix of what
                would be trained, or an answer ends without a stop token.
        """
        ids: list[int] = []
        mask: list[bool] = []
        for position, message in enumerate(messages):
            if message.role != "assistant":
                continue
            prompt = self.prompt_ids(messages[:position])
            before = self._text(messages[:position], answer_next=True)
            answered = self._text(messages[: position + 1], answer_next=False)
            whole = self._longer(prompt, before, answered)
            if whole is None or prompt[: len(ids)] != ids:
                raise ModelError(
                    "the chat template changes earlier tokens when an answer is added: the prompt "
                    "served would differ from the prompt trained",
                    mend="Mend the template so that add_generation_prompt only appends.",
                )
            end = self._answer_end(whole, len(prompt), message.content)
            mask += [False] * (len(prompt) - len(ids)) + [True] * (end - len(prompt))
            ids = whole[:end]
        return Rendered(ids, mask)

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

    def _longer(self, ids: list[int], text: str, longer: str) -> list[int] | None:
        """Token ids of a text that begin with those of its beginning; None if it has another.

        The last sign of a prompt and the first of the answer may be one token when read together
        (two line breaks, say). A served prompt ends between them, so the rest is read apart.
        """
        if not longer.startswith(text):
            return None
        whole = self._ids(longer)
        if whole[: len(ids)] == ids:
            return whole
        return ids + self._ids(longer[len(text) :])

    def _answer_end(self, whole: list[int], start: int, answer: str) -> int:
        """Where the stop token ends that follows the answer; stop tokens within it do not count."""
        stops = self.stop_ids
        places = [i for i in range(start, len(whole)) if whole[i] in stops]
        inside = sum(i in stops for i in self._ids(answer))
        if len(places) > inside:
            return places[inside] + 1
        raise ModelError(
            "the chat template ends an answer without a stop token: the model would never learn "
            "to stop",
            mend="Let the template write the tokenizer's end token after each assistant turn.",
        )

    def _text(self, messages: Sequence[Message], *, answer_next: bool) -> str:
        plain = [{"role": m.role, "content": m.content} for m in messages]
        try:
            text: str = self.tokenizer.apply_chat_template(
                plain,
                tokenize=False,
                add_generation_prompt=answer_next,
                # models that can think aloud are prompted, and so trained, to answer at once
                enable_thinking=False,
            )
        except Exception as error:  # templates raise their own errors through jinja
            raise ModelError(f"the chat template refuses this conversation: {error}") from error
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids
