"""What does the echo engine find in an answer?"""

import math

from nemotron_backend.engine import InvalidRequest
from nemotron_backend.request import GenerationRequest, Score
from nemotron_backend.rewards import ATTRIBUTES

MODEL = "echo-reward"


def scores_of(text: str) -> tuple[Score, ...]:
    """Five counts of the text on a scale that grows ever more slowly: words and distinct words, sentences,
    the longest word, and characters.
    """
    words = text.split()
    sentences = sum(text.count(mark) for mark in ".!?")
    counts = (len(words), len(set(words)), sentences, max(map(len, words), default=0), len(text))
    pairs = zip(ATTRIBUTES, counts, strict=True)
    return tuple(Score(name=name, value=math.log2(1 + count) / 2) for name, count in pairs)


def check_wish(request: GenerationRequest) -> None:
    """Scores are of the one model, words of the others. Raises InvalidRequest."""
    model = request.variant.model
    if request.wish == "scores" and model != MODEL:
        raise InvalidRequest("model", f"{model} is no reward model: it says words, and no scores")
    if request.wish == "text" and model == MODEL:
        raise InvalidRequest("model", f"{model} is a reward model: it says scores, and no words")
