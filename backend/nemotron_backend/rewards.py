"""What do reward models score, and how do scores become one number?"""

from collections.abc import Mapping

REWARD = "reward"
ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
# The outputs of Nemotron-4-340B-Reward, of which it uses the last five.
NINE = ("quality", "toxicity", "humor", "creativity", *ATTRIBUTES)
# What NVIDIA makes one number of the five with.
WEIGHTS: Mapping[str, float] = dict(zip(ATTRIBUTES, (0.3, 0.74, 0.46, 0.47, -0.33), strict=True))


def scalar(scores: Mapping[str, float]) -> float:
    """One number for an answer: the reward itself, or NVIDIA's sum of the five."""
    if REWARD in scores:
        return scores[REWARD]
    return sum(weight * scores.get(name, 0.0) for name, weight in WEIGHTS.items())
