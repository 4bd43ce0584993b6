"""What is the network in training form?

Nemotron-H over whole sequences, with gradients, in any of its sizes: a size multiplies by the strips of the
weights that are its own, which is what masked channels would give. Names are those of released
checkpoints, except that the experts of a layer are one stacked tensor.
"""

import torch
from torch import Tensor, nn, unflatten
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from nemotron_backend.model.nemotron_h_config import NemotronHConfig
from nemotron_backend.recipes.elastic.experts import Experts
from nemotron_backend.recipes.elastic.shape import Size
from nemotron_backend.recipes.elastic.state_space import scan
from nemotron_kernels.state_space import HeadParameters, Selection


class Mamba(nn.Module):
    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        heads, inner, mixed = config.mamba_num_heads, config.inner_size, config.convolution_size
        self.in_proj = nn.Linear(config.hidden_size, inner + mixed + heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, config.conv_kernel, groups=mixed)
        self.dt_bias = nn.Parameter(_inverse_softplus(torch.empty(heads).uniform_(-6.9, -2.3).exp()))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner)
        self.out_proj = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor, size: Size) -> Tensor:
        config = size.config
        part = {name: size.part(f"mixer.{name}", held) for name, held in self.named_parameters()}
        widths = [config.inner_size, config.convolution_size, config.mamba_num_heads]
        gate, mixed, dt = torch.split(F.linear(hidden, part["in_proj.weight"]), widths, dim=-1)
        mixed = F.silu(_convolve(mixed, part["conv1d.weight"], part["conv1d.bias"]))
        heads = HeadParameters(a=-part["A_log"].exp(), d=part["D"], dt_bias=part["dt_bias"])
        scanned = scan(_selection(mixed, dt, config), heads, config.chunk_size).flatten(2)
        normed = _group_normed(scanned * F.silu(gate), part["norm.weight"], config)
        return F.linear(normed, part["out_proj.weight"])


class Attention(nn.Module):
    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor, size: Size) -> Tensor:
        part = {name: size.part(f"mixer.{name}", held) for name, held in self.named_parameters()}
        heads = (-1, size.config.head_dim)
        query, key, value = (
            unflatten(F.linear(hidden, part[f"{name}_proj.weight"]), -1, heads).transpose(1, 2)
            for name in "qkv"
        )
        # For rows this short the plain product is several times faster than the fused one.
        with sdpa_kernel(SDPBackend.MATH):
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return F.linear(mixed.transpose(1, 2).flatten(2), part["o_proj.weight"])


_MIXERS = {"mamba": Mamba, "attention": Attention, "experts": Experts}


class Layer(nn.Module):
    def __init__(self, config: NemotronHConfig, kind: str) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.hidden_size)
        self.mixer = _MIXERS[kind](config)

    def forward(self, hidden: Tensor, size: Size) -> Tensor:
        mixed: Tensor = self.mixer(_normed(hidden, self.norm.weight, size), size)
        return hidden + mixed


class Backbone(nn.Module):
    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, kind) for kind in config.layers)
        self.norm_f = nn.RMSNorm(config.hidden_size)


class Elastic(nn.Module):
    """Token ids [batch, tokens] to hidden states, in a size."""

    def __init__(self, config: NemotronHConfig) -> None:
        super().__init__()
        self.backbone = Backbone(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.apply(_initialise)

    def forward(self, token_ids: Tensor, size: Size) -> Tensor:
        """Final hidden states [batch, tokens, hidden]; `logits` reads them."""
        hidden = F.embedding(
            token_ids, size.part("embeddings.weight", self.backbone.embeddings.weight)
        ).float()
        for layer in self.backbone.layers:
            hidden = layer(hidden, size)
        return _normed(hidden, self.backbone.norm_f.weight, size)

    def logits(self, hidden: Tensor, size: Size) -> Tensor:
        """What comes next, for hidden states of a size."""
        return F.linear(hidden, size.part("lm_head.weight", self.lm_head.weight)).float()

    @property
    def experts(self) -> list[Experts]:
        """The mixtures, whose loads a trainer balances."""
        return [module for module in self.modules() if isinstance(module, Experts)]


def _normed(hidden: Tensor, weight: Tensor, size: Size) -> Tensor:
    return F.rms_norm(
        hidden, (size.config.hidden_size,), size.part("norm.weight", weight), size.config.layer_norm_epsilon
    )


def _group_normed(gated: Tensor, weight: Tensor, config: NemotronHConfig) -> Tensor:
    grouped = unflatten(gated.float(), -1, (config.n_groups, -1))
    normed = F.rms_norm(grouped, grouped.shape[-1:], eps=config.layer_norm_epsilon)
    return normed.flatten(-2) * weight


def _convolve(mixed: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each channel [batch, tokens, channels] with its own taps over the tokens before."""
    taps = weight.shape[-1]
    padded = F.pad(mixed, (0, 0, taps - 1, 0))
    length = mixed.shape[1]
    rows = weight[:, 0].mT.to(mixed.dtype).contiguous()
    taken = [padded[:, tap : tap + length] * rows[tap] for tap in range(taps)]
    return sum(taken, start=bias.to(mixed.dtype))


def _selection(mixed: Tensor, dt: Tensor, config: NemotronHConfig) -> Selection:
    half = config.selection_size // 2
    x, b, c = torch.split(mixed, [config.inner_size, half, half], dim=-1)
    return Selection(
        x=unflatten(x, -1, (-1, config.mamba_head_dim)),
        dt=dt,
        b=unflatten(b, -1, (-1, config.ssm_state_size)),
        c=unflatten(c, -1, (-1, config.ssm_state_size)),
    )


def _inverse_softplus(values: Tensor) -> Tensor:
    return values + torch.log(-torch.expm1(-values))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
