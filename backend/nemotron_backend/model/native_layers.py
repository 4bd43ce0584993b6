"""When do all layers of a dense network run in one native call, and on which caches?"""

from collections.abc import Sequence

from nemotron_backend.model.attention import checked_cache
from nemotron_backend.model.config import LlamaConfig
from nemotron_backend.model.dense_layer import Layer, Norms, RmsNorm, SwiGlu
from nemotron_backend.model.network import Segment
from nemotron_kernels.native import NativeLinear, native_code
from nemotron_kernels.native.dense import DenseLayer, DenseLayers, DenseShape, Run, fits


def native_layers(config: LlamaConfig, norms: Sequence[Norms], layers: Sequence[Layer]) -> DenseLayers | None:
    """The layers in native code, or None where they are not Llama's own or native code is not to be had."""
    code = native_code()
    shape = DenseShape(
        num_heads=config.num_heads,
        num_kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        rotary_dim=config.rotary_dim,
        hidden_size=config.hidden_size,
        epsilon=config.norm_epsilon,
    )
    if code is None or not fits(shape, config.intermediate_size):
        return None
    made = [_layer(layer, own) for layer, own in zip(layers, norms, strict=True)]
    whole = [layer for layer in made if layer is not None]
    return DenseLayers(code, shape, whole) if len(whole) == len(made) else None


def runs(segments: Sequence[Segment]) -> list[Run]:
    """What native code is told of each segment; caches of causal ones then have the length that they will."""
    for segment in segments:
        if segment.is_causal:
            for cache in segment.cache:
                checked_cache(cache, segment.position).take(segment.length)
    return [_run(segment) for segment in segments]


def _run(segment: Segment) -> Run:
    seen = segment.position + (segment.length if segment.is_causal else segment.num_groups - 1)
    return Run(
        start=segment.start,
        length=segment.length,
        held=segment.position,
        is_causal=segment.is_causal,
        num_groups=segment.num_groups,
        stores=[checked_cache(cache, seen).store for cache in segment.cache],
    )


def _layer(layer: Layer, norms: Norms) -> DenseLayer | None:
    mlp = layer.mlp
    if not isinstance(mlp, SwiGlu):
        return None
    match (layer.qkv, layer.output, mlp.gate_up, mlp.down, norms.attention, norms.mlp):
        case (
            NativeLinear() as qkv,
            NativeLinear() as output,
            NativeLinear() as gate_up,
            NativeLinear() as down,
            RmsNorm() as attention_norm,
            RmsNorm() as mlp_norm,
        ):
            return DenseLayer(
                attention_norm=attention_norm.weight,
                qkv=qkv,
                output=output,
                mlp_norm=mlp_norm.weight,
                gate_up=gate_up,
                down=down,
            )
    return None
