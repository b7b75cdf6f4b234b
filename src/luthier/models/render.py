"""The one renderer: the only place where messages become token ids and a loss mask.

Training, evaluation and serving all come through here, so the prompt a model is served with is,
token for token, a prefix of what it was trained on. The chat template is the tokenizer's own;
its digest goes into every bundle.
"""

from __future__ import annotations

import dataclasses
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
                where=str(tokenizer.name_or_path),
                mend="Choose an instruction-tuned model, or put a chat_template.jinja in its folder.",
            )
        self.tokenizer = tokenizer

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the chat template: what must not differ between tuning and serving."""
        return hashlib.sha256(self.tokenizer.chat_template.encode()).hexdigest()

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation up to where the assistant begins to speak."""
        return self._ids(self._text(messages, answer_next=True))

    def text_ids(self, text: str) -> list[int]:
        """Token ids of plain text, without a template or special tokens."""
        return self._ids(text)

    def render(self, messages: Sequence[Message]) -> Rendered:
        """Token ids and loss mask of a conversation that ends with an assistant turn.

        Every assistant turn is learned, with the stop token that ends it and nothing the template
        puts behind that token.

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
            whole = self._ids(self._text(messages[: position + 1], answer_next=False))
            if whole[: len(prompt)] != prompt or prompt[: len(ids)] != ids:
                raise ModelError(
                    "the chat template changes earlier tokens when an answer is added: the prompt "
                    "served would differ from the prompt trained",
                    mend="Mend the template so that add_generation_prompt only appends.",
                )
            end = self._answer_end(whole, len(prompt))
            mask += [False] * (len(prompt) - len(ids))
            mask += [True] * (end - len(prompt)) + [False] * (len(whole) - end)
            ids = whole
        return Rendered(ids, mask)

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: the tokenizer's end token and the template's own turn ends."""
        tokenizer = self.tokenizer
        turn_ends = ("<|im_end|>", "<|end|>", "<|eot_id|>", "<end_of_turn>", "</s>", "<|endoftext|>")
        ids = {tokenizer.eos_token_id}
        for token in turn_ends:
            known = tokenizer.get_vocab().get(token)
            if known is not None and token in tokenizer.chat_template:
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
            Message("user", "And a guitar?"),
            Message("assistant", "Six."),
        ]
        rendered = self.render(probe)
        learned = [i for i, keep in zip(rendered.ids, rendered.mask, strict=True) if keep]
        if not learned:
            raise ModelError("the chat template leaves nothing to learn: every token is masked")
        text = self.tokenizer.decode(learned)
        if "Four." not in text or "Six." not in text or "violin" in text:
            raise ModelError(f"the loss mask does not cover the answers exactly: {text!r}")

    def _answer_end(self, whole: list[int], start: int) -> int:
        stops = self.stop_ids
        for position in range(len(whole) - 1, start - 1, -1):
            if whole[position] in stops:
                return position + 1
        raise ModelError(
            "the chat template ends an answer without a stop token: the model would never learn "
            "to stop",
            mend="Let the template write the tokenizer's end token after each assistant turn.",
        )

    def _text(self, messages: Sequence[Message], *, answer_next: bool) -> str:
        plain = [{"role": m.role, "content": m.content} for m in messages]
        try:
            text: str = self.tokenizer.apply_chat_template(
                plain, tokenize=False, add_generation_prompt=answer_next
            )
        except Exception as error:  # templates raise their own errors through jinja
            raise ModelError(f"the chat template refuses this conversation: {error}") from error
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
