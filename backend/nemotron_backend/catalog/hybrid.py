"""Which dimensions does a hybrid's config describe?"""

from collections.abc import Mapping

from nemotron_backend.catalog.dimensions import Attention, Dimensions, Experts, FeedForward, Mamba
from nemotron_backend.model.nemotron_h_config import Kind, NemotronHConfig

_LETTERS: Mapping[Kind, str] = {"mamba": "M", "experts": "E", "attention": "*", "mlp": "-"}


def hybrid_dimensions(config: NemotronHConfig) -> Dimensions:
    """Those of the whole network, or of a nested one after `shrink`."""
    kinds = set(config.layers)
    return Dimensions(
        pattern="".join(_LETTERS[kind] for kind in config.layers),
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
        attention=_attention(config) if "attention" in kinds else None,
        feed_forward=FeedForward(width=config.intermediate_size, gated=False) if "mlp" in kinds else None,
        experts=_experts(config) if "experts" in kinds else None,
        mamba=_mamba(config) if "mamba" in kinds else None,
    )


def _attention(config: NemotronHConfig) -> Attention:
    return Attention(
        query_heads=config.num_attention_heads,
        key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
    )


def _experts(config: NemotronHConfig) -> Experts:
    return Experts(
        routed=config.n_routed_experts,
        active=config.num_experts_per_tok,
        width=config.moe_intermediate_size,
        shared_width=config.moe_shared_expert_intermediate_size,
        latent=config.moe_latent_size or 0,
    )


def _mamba(config: NemotronHConfig) -> Mamba:
    return Mamba(
        heads=config.mamba_num_heads,
        head_dim=config.mamba_head_dim,
        groups=config.n_groups,
        state=config.ssm_state_size,
        convolution=config.conv_kernel,
    )
