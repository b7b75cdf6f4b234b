"""BLEU, chrF and ROUGE, computed by the libraries that published figures are computed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from luthier.core.errors import ResourceError
from luthier.core.statistics import Floats
from luthier.evaluate.scorers.resampled import Weighed
from luthier.evaluate.scorers.structured import EXTRA

Name = Literal["bleu", "chrf", "rouge"]
ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


def bleu(said: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[float], Weighed]:
    """BLEU (Papineni et al. 2002) by sacrebleu (Post 2018).

    Args:
        said: Answers.
        references: Of each answer, at least one.

    Returns:
        Each answer's own, 0 to 1 (smoothed, up to as many words as it has), and that of the corpus,
        which is no mean of them: 13a tokens, mixed case, exponential smoothing.

    Raises:
        ResourceError: sacrebleu is not installed.
    """
    metrics = _sacrebleu("BLEU")
    return _both(metrics.BLEU(), metrics.BLEU(effective_order=True), said, references)


def chrf(said: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[float], Weighed]:
    """chrF2 (Popović 2015) by sacrebleu: F of character n-grams up to 6.

    Args:
        said: Answers.
        references: Of each answer, at least one.

    Returns:
        Each answer's own, 0 to 1, and that of the corpus.

    Raises:
        ResourceError: sacrebleu is not installed.
    """
    metrics = _sacrebleu("chrF")
    return _both(metrics.CHRF(), metrics.CHRF(), said, references)


def rouge(said: str, references: Sequence[str]) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) by rouge-score: F1 with the best reference.

    It reads Latin letters without accents and digits; words are not stemmed.

    Returns:
        ``rouge_1``, ``rouge_2``, ``rouge_l``; nothing where no reference has a letter it reads.

    Raises:
        ResourceError: rouge-score is not installed.
    """
    scorer, tokens = _rouge()
    readable = [one for one in references if tokens(one)]
    if not readable:
        return {}
    found = scorer.score_multi(readable, said)
    return {ours: float(found[theirs].fmeasure) for theirs, ours in ROUGE.items()}


def _both(
    corpus: Any, single: Any, said: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[list[float], Weighed]:
    """Figures of each answer, and the corpus's from the sums of what was counted for each."""
    each = [
        single.sentence_score(one, list(own)).score / 100
        for one, own in zip(said, references, strict=True)
    ]
    counted: Floats = np.array(
        [
            corpus._extract_corpus_statistics([one], [[r] for r in own])[0]
            for one, own in zip(said, references, strict=True)
        ],
        dtype=np.float64,
    )

    def weighed(weights: Floats) -> Floats:
        sums = (weights @ counted).round().astype(np.int64).tolist()
        return np.array([corpus._compute_score_from_stats(row).score / 100 for row in sums])

    return each, weighed


def _sacrebleu(what: str) -> Any:
    try:
        import sacrebleu.metrics
    except ImportError as error:
        raise _absent(what, error) from error
    return sacrebleu.metrics


def _rouge() -> tuple[Any, Any]:
    try:
        from rouge_score import rouge_scorer, tokenizers
    except ImportError as error:
        raise _absent("ROUGE", error) from error
    plain = tokenizers.DefaultTokenizer(use_stemmer=False)
    return rouge_scorer.RougeScorer(list(ROUGE), tokenizer=plain), plain.tokenize


def _absent(what: str, error: ImportError) -> ResourceError:
    return ResourceError(
        f"{what} needs the library '{error.name}', which is not installed", mend=EXTRA
    )
