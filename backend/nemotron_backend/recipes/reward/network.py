"""What is the network in training form?

Transformers' own NemotronForSequenceClassification: the layout in which a Nemotron-4 reward model is had
outside NeMo, with nine outputs of which the last five are used.
"""

from typing import Any

from transformers import NemotronConfig, NemotronForSequenceClassification

from nemotron_backend.rewards import NINE

CONFIG: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_hidden_layers": 5,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "hidden_act": "relu2",
    "norm_eps": 1e-5,
    "max_position_embeddings": 1024,
    "partial_rotary_factor": 0.5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": 1,
    "eos_token_id": 11,
    "pad_token_id": 0,
    "use_cache": False,
    "id2label": dict(enumerate(NINE)),
    "label2id": {name: place for place, name in enumerate(NINE)},
}


def create(**changes: Any) -> NemotronForSequenceClassification:
    """A network that has learned nothing; keywords change its config."""
    kind: Any = NemotronForSequenceClassification
    network: NemotronForSequenceClassification = kind(NemotronConfig(**(CONFIG | changes)))
    return network
