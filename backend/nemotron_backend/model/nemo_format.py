"""Is a folder in NeMo's format, and what must be made of it?

NVIDIA published the 340B models as NeMo saves them: a YAML file, zarr shards and a SentencePiece model.
"""

from pathlib import Path

from nemotron_backend.model.errors import UnreadableFile

_CONFIG = "model_config.yaml"
_WEIGHTS = "model_weights"
_REMEDY = (
    "Convert it to Hugging Face format. Such a folder holds config.json (model_type 'nemotron', with "
    "hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim or kv_channels, "
    "intermediate_size, vocab_size, norm_eps and partial_rotary_factor), safetensors files with the tensors "
    "of model.embed_tokens, model.layers.N, model.norm and lm_head, where norms keep a weight less one and "
    "a bias, tokenizer.json made of the SentencePiece model, and tokenizer_config.json."
)


def refuse_nemo(folder: Path) -> None:
    """Tell what a folder in NeMo's format lacks. Raises UnreadableFile."""
    if (folder / "config.json").exists():
        return
    signs = (folder / _CONFIG, folder / _WEIGHTS, *sorted(folder.glob("*.nemo")))
    found = next((sign for sign in signs if sign.exists()), None)
    if found is not None:
        raise UnreadableFile(
            found, "this is a checkpoint in NeMo's format, which no engine here reads", _REMEDY
        )
