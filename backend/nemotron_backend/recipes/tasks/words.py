"""Words spelled, reversed and counted, letter by letter."""

from random import Random

from nemotron_backend.recipes.tasks.example import Example, Level

_WORDS: dict[Level, tuple[str, ...]] = {
    1: ("cat", "dog", "sun", "map", "red", "box", "ice", "key", "jam", "owl", "pen", "sky"),
    2: ("apple", "bread", "chair", "dance", "eagle", "flame", "grape", "house", "ivory", "jewel", "knife"),
    3: ("library", "machine", "network", "october", "penguin", "quarter", "rainbow", "sandwich", "thunder"),
}


def make(rng: Random, level: Level) -> Example:
    """A question such as `Spell apple backwards.`"""
    return rng.choice((_reverse, _count, _first_letters))(rng, level)


def _reverse(rng: Random, level: Level) -> Example:
    word = _word(rng, level)
    backwards = " ".join(reversed(word))
    return _example(level, f"Spell {word} backwards.", f"{' '.join(word)}\n{backwards}", backwards)


def _word(rng: Random, level: Level) -> str:
    """A known word with a few random letters behind it, so that no word can be learned by heart."""
    return rng.choice(_WORDS[level]) + "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=level))


def _count(rng: Random, level: Level) -> Example:
    word = _word(rng, level)
    letter = rng.choice(word)
    seen, lines = 0, []
    for character in word:
        seen += character == letter
        lines.append(f"{character} {seen}")
    return _example(level, f"How many times is {letter} in {word}?", "\n".join(lines), str(seen))


def _first_letters(rng: Random, level: Level) -> Example:
    words = [_word(rng, 1) for _ in range(level + 2)]
    steps = "\n".join(f"{word} {word[0]}" for word in words)
    answer = " ".join(word[0] for word in words)
    return _example(level, f"Name the first letters: {' '.join(words)}", steps, answer)


def _example(level: Level, question: str, steps: str, answer: str) -> Example:
    return Example(task="words", level=level, question=question, steps=steps, answer=answer)
