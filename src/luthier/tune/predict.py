"""Ask a tuned classifier, tagger or regression about texts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from pydantic import ValidationError

from luthier.core.errors import ModelError
from luthier.setup.losses import Terms, decide
from luthier.tune.classification import Classification
from luthier.tune.multi_label import MultiLabel
from luthier.tune.regression import Regression
from luthier.tune.supervised import CARD, Card
from luthier.tune.token_classification import TokenClassification, words_of

if TYPE_CHECKING:
    from luthier.models.load import Model
    from luthier.setup.memory import Precision, Quantisation
    from luthier.setup.plan import Plan

_MICRO_TOKENS = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """What is predicted for one text.

    Attributes:
        answer: As the column of labels would have it: the label, a JSON list of labels, a tag for
            each word, or a number.
        labels: The label, the labels, or the tags; none for a number.
        probabilities: Of every label; with tags those of what was said, under the words' numbers.
        value: The number of a regression.
    """

    answer: str
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] = dataclasses.field(default_factory=dict)
    value: float | None = None


class Predictor:
    """Predicts labels, tags or numbers of texts. A text longer than the model reads is cut.

    Args:
        model: With its tuned head.
        card: What was learned.
    """

    def __init__(self, model: Model, card: Card) -> None:
        self.model, self.card = model, card

    def predict(self, texts: Sequence[str]) -> list[Said]:
        """What the model says of each text, in order."""
        from luthier.tune._supervised import join, predict

        card, objective = self.card, self.card.objective
        if not texts:
            return []
        if isinstance(objective, TokenClassification):
            return self._tagged(texts)
        rows = [self._ids(text)["input_ids"] for text in texts]
        scores = predict(self.model, join(rows, texts), self._plan(), objective.pooling)
        match objective:
            case Classification():
                return _labelled(scores, card)
            case MultiLabel():
                return _several(scores, card)
            case Regression():
                mean, deviation = card.scale or (0.0, 1.0)
                numbers = (scores[:, 0].astype(np.float64) * deviation + mean).tolist()
                return [Said(f"{number:.6g}", value=number) for number in numbers]
            case _:
                assert_never(objective)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special ones included."""
        return len(self.model.tokenizer(text, verbose=False)["input_ids"])

    def _ids(self, text: str) -> Any:
        return self.model.tokenizer(
            text, truncation=True, max_length=self.card.max_length, return_offsets_mapping=True
        )

    def _plan(self) -> Plan:
        import torch

        from luthier.setup.plan import Plan

        return Plan(
            device=self.model.device,
            precision="float32",
            threads=torch.get_num_threads(),
            micro_batch_tokens=_MICRO_TOKENS,
            accumulation=1,
            memory_needed_bytes=0,
            memory_bytes=0,
            machine="",
        )

    def _tagged(self, texts: Sequence[str]) -> list[Said]:
        """A tag for each word; ``O`` for words that are not read."""
        from luthier.tune._supervised import join_words, predict
        from luthier.tune._supervised_rows import first_tokens

        coded = [self._ids(text) for text in texts]
        words = [words_of(text) for text in texts]
        heads = [
            first_tokens(one["offset_mapping"], spans)
            for one, spans in zip(coded, words, strict=True)
        ]
        asked = [i for i, found in enumerate(heads) if found]
        tags = [["O"] * len(spans) for spans in words]
        sure: list[dict[str, float]] = [{} for _ in texts]
        if asked:
            rows = join_words(
                [coded[i]["input_ids"] for i in asked],
                [[token for _, token in heads[i]] for i in asked],
                [texts[i] for i in asked],
            )
            table = _softmax(predict(self.model, rows, self._plan(), "auto"))
            places = [(i, word) for i in asked for word, _ in heads[i]]
            for (i, word), line in zip(places, table, strict=True):
                best = int(line.argmax())
                tags[i][word] = self.card.labels[best]
                sure[i][str(word)] = float(line[best])
        return [Said(" ".join(row), tuple(row), one) for row, one in zip(tags, sure, strict=True)]


def load_predictor(
    folder: Path,
    *,
    device: str = "cpu",
    precision: Precision = "float32",
    quantisation: Quantisation = "none",
) -> Predictor:
    """Load what a supervised objective has tuned.

    Args:
        folder: The tuned model's folder.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the weights in memory.
        quantisation: Of the linear layers below the head; see ``models.quantise``.

    Raises:
        ModelError: A file is missing or damaged, or the model was tuned for something else.
    """
    from luthier.models import adapter
    from luthier.models.load import load_with_head

    card = read_card(folder)
    head: Any = "token" if isinstance(card.objective, TokenClassification) else "sequence"
    model = load_with_head(
        folder,
        head,
        card.labels,
        device=device,
        precision=precision,
        quantisation=quantisation,
        adapter=adapter.inside(folder),
    )
    return Predictor(model, card)


def read_card(folder: Path) -> Card:
    """What ``supervised.json`` of a model folder says.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"this is no model tuned on rows with labels: {error}", where=str(folder / CARD)
        ) from error


def _softmax(scores: Any) -> Any:
    from luthier.tune._scores import log_softmax

    return np.exp(log_softmax(scores))


def _labelled(scores: Any, card: Card) -> list[Said]:
    table = _softmax(scores)
    chosen = decide(table, Terms(card.labels, costs=card.costs)).tolist()
    return [
        Said(
            card.labels[place],
            (card.labels[place],),
            dict(zip(card.labels, row.tolist(), strict=True)),
        )
        for place, row in zip(chosen, table, strict=True)
    ]


def _several(scores: Any, card: Card) -> list[Said]:
    from luthier.tune._supervised_figures import probabilities

    table = probabilities(scores)
    least = np.array(card.thresholds or (0.5,) * len(card.labels))
    found = []
    for row in table:
        said = [label for label, yes in zip(card.labels, row >= least, strict=True) if yes]
        sure = dict(zip(card.labels, row.tolist(), strict=True))
        found.append(Said(json.dumps(said, ensure_ascii=False), tuple(said), sure))
    return found
