"""Is the prepared SmolLM2 the published model, and does our network run it as transformers does?"""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from nemotron_backend.model.llama import Llama
from nemotron_backend.model.load import LlamaCheckpoint
from nemotron_backend.model.network import Batch, Segment
from nemotron_backend.request import PRECISIONS, Precision

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
PROMPT = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
)
TEXTS = [
    "Hello, world! It's 2024: $1,234.56\n\n\tdef f(x):\n    return x**2  # naïve café",
    "日本語 🎉👩‍👩‍👧 ١٢٣ ½ ² 12abc34",
    "don't we'll I'M  trailing   \r\n\r\n",
    PROMPT,
]


@pytest.fixture(scope="module")
def checkpoint(smollm2_checkpoint: Path) -> LlamaCheckpoint:
    return LlamaCheckpoint.open(smollm2_checkpoint)


@pytest.fixture(scope="module")
def tokenizer(smollm2_checkpoint: Path) -> Any:
    return AutoTokenizer.from_pretrained(smollm2_checkpoint)


def forward(network: Llama, ids: list[int], cache: list[Any], position: int) -> torch.Tensor:
    segment = Segment(cache=cache, start=0, length=len(ids), position=position)
    return network.forward(
        Batch(
            token_ids=torch.tensor(ids),
            positions=torch.arange(position, position + len(ids)),
            segments=(segment,),
            logit_rows=torch.arange(len(ids)),
        )
    )


def test_the_default_system_prompt_is_the_models_own(tokenizer: Any) -> None:
    assert tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False) == PROMPT


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_digit_is_a_token(tokenizer: Any) -> None:
    assert tokenizer.tokenize("2024") == ["2", "0", "2", "4"]


def test_logits_are_those_of_transformers(
    smollm2_checkpoint: Path, checkpoint: LlamaCheckpoint, tokenizer: Any
) -> None:
    ids = tokenizer(PROMPT + "".join(TEXTS))["input_ids"]
    model: Any = LlamaForCausalLM.from_pretrained(smollm2_checkpoint, dtype=torch.float32)
    with torch.inference_mode():
        wanted = model(torch.tensor([ids])).logits[0]
    network = checkpoint.network("full", "bf16")
    cache = network.make_cache(len(ids))
    found = torch.cat((forward(network, ids[:70], cache, 0), forward(network, ids[70:], cache, 70)))
    # Logits reach 30; float32 noise through 30 layers is about 1e-4.
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=1e-4)
    assert torch.equal(found.argmax(dim=-1), wanted.argmax(dim=-1))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_capital_of_france_is_paris(
    checkpoint: LlamaCheckpoint, tokenizer: Any, precision: Precision
) -> None:
    network = checkpoint.network("full", precision)
    answer = tokenizer.decode(greedy(network, tokenizer(PROMPT)["input_ids"], 8))
    assert answer.startswith("The capital of France is Paris.")


def greedy(network: Llama, ids: list[int], count: int) -> list[int]:
    cache, position, answer = network.make_cache(len(ids) + count), 0, list[int]()
    for _ in range(count):
        logits = forward(network, ids, list(cache), position)
        position += len(ids)
        ids = [int(logits[-1].argmax())]
        answer += ids
    return answer
