"""Which pieces is the suite's text cut into?

The special tokens keep the ids that NVIDIA's tokenizers give them, so that nothing in an engine has to
know whether a checkpoint is a demonstration.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from nemotron_backend.recipes.dialogue import corpus

_NAMED = {
    0: "<unk>",
    1: "<s>",
    2: "</s>",
    10: "<|im_start|>",
    11: "<|im_end|>",
    12: "<think>",
    13: "</think>",
}
_MASK = 100
_SPECIAL = (*(_NAMED.get(index, f"<SPECIAL_{index}>") for index in range(_MASK)), "<mask>")
# Thinking is text that people see; all other special tokens stay out of it.
_VISIBLE = frozenset({"<think>", "</think>"})
_NUM_TEXTS = 20000
_WORD = Regex(r" ?[A-Za-z]+|\d| ?[^\sA-Za-z\d]|\s")


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE tokenizer in which every digit is a token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORD, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=token not in _VISIBLE) for token in _SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def obtain(folder: Path, seed: int, vocab_size: int) -> Tokenizer:
    """The tokenizer that a folder holds; trained on the suite's text and put there where it holds none."""
    file = folder / "tokenizer.json"
    if not file.exists():
        save(train(corpus(seed, _NUM_TEXTS), vocab_size), folder)
    return Tokenizer.from_file(str(file))


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files of a Hugging Face tokenizer, chat template included."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "<|im_end|>",
        "pad_token": "<unk>",
        "mask_token": "<mask>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    template = Path(__file__).with_name("chat_template.jinja").read_text("utf-8")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
