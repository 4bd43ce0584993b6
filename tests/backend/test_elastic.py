"""Is a nested size a view, and equal to its extract and to the masked whole, in every precision?"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import NemotronHForCausalLM

from nemotron_backend.model.cuts import Cuts, Strips
from nemotron_backend.model.elastic import OffGrid, UnknownSize, shrink
from nemotron_backend.model.extract import extract
from nemotron_backend.model.inventory import is_linear
from nemotron_backend.model.matrix import BlockMatrix, Matrix
from nemotron_backend.model.nemotron_h_checkpoint import NemotronHCheckpoint
from nemotron_backend.model.nemotron_h_tensors import NemotronHTensors
from nemotron_backend.model.part_reader import PartReader
from nemotron_backend.model.parts import Parts, WholeParts
from nemotron_backend.model.quantisation_recipe import recipe
from nemotron_backend.model.quantize import quantize
from nemotron_backend.request import PRECISIONS, Precision
from nemotron_kernels.grouped_experts import ExpertWeights
from nemotron_kernels.native import NativeExperts, NativeLinear, StackedLinear

# Hidden channels and Mamba heads both shrink to three quarters, so that one epsilon masks both norms.
SIZES = {
    "large": {},
    "small": {
        "hidden_size": 48,
        "mamba_num_heads": 6,
        "moe_intermediate_size": 16,
        "moe_shared_expert_intermediate_size": 48,
        "n_routed_experts": 4,
        "intermediate_size": 32,
    },
    "narrow": {"hidden_size": 32},
    "few_experts": {"n_routed_experts": 3},
}
SHAPE: dict[str, Any] = {"hidden_size": 64, "hybrid_override_pattern": "MEM*E-ME", "elastic_sizes": SIZES}
TOKENS = torch.randint(101, (19,), generator=torch.Generator().manual_seed(2)).tolist()


def silent(done: int, total: int) -> None:
    """No one watches."""


def logits(folder: Path, size: str, precision: Precision, run: Any) -> Tensor:
    network = NemotronHCheckpoint.open(folder).network(size, precision)
    (out,) = run(network, (TOKENS, network.make_cache(len(TOKENS)), 0))
    assert isinstance(out, Tensor)
    return out


def close(ours: Tensor, theirs: Tensor) -> None:
    # Native code leaves out up to 2^-17 of an input of every map.
    assert float((ours - theirs).abs().max() / theirs.std()) < 5e-4


def in_precision(folder: Path, precision: Precision) -> Path:
    """The checkpoint as ModelOpt would ship it."""
    if precision == "bf16":
        return folder
    out = folder.with_name(f"{folder.name}-{precision}")
    quantize(folder, precision, out, silent)
    return out


def masked_whole(folder: Path, size: str, precision: Precision) -> Tensor:
    """transformers' whole network with all but the size's channels silenced, as it is trained."""
    tensors = NemotronHTensors(folder)
    kept = shrink(tensors.config, size, folder)
    cuts, share = Cuts(tensors.config, kept), kept.hidden_size / tensors.config.hidden_size
    model: Any = NemotronHForCausalLM.from_pretrained(folder, dtype=torch.float32)
    wanted, state = recipe(tensors.config, precision), model.state_dict()
    for name in tensors.shapes:
        weight = plain_weight(tensors, name, wanted)
        target = (
            state[name.replace("backbone.", "model.")] if ".experts." not in name else expert(state, name)
        )
        masked = torch.full_like(weight, -torch.inf if name.endswith("correction_bias") else 0.0)
        kept_part = mask(weight, cuts.of(name))
        masked[kept_part] = weight[kept_part]
        if name.endswith(("norm.weight", "norm_f.weight")):
            masked *= share**0.5
        target.copy_(masked)
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon *= share
    with torch.no_grad():
        out: Tensor = model(torch.tensor([TOKENS]), use_cache=False).logits[0]
    return out


def plain_weight(tensors: NemotronHTensors, name: str, wanted: Any) -> Tensor:
    if not is_linear(name):
        return tensors.tensor(name).float()
    values, scale = tensors.quantised(name, wanted).numbers()
    return values if scale is None else values * scale


def expert(state: dict[str, Tensor], name: str) -> Tensor:
    """transformers holds all experts of a layer in one tensor."""
    start, rest = name.replace("backbone.", "model.").split(".experts.")
    index, part, _ = rest.split(".")
    return state[f"{start}.experts.{part}"][int(index)]


def mask(weight: Tensor, strips: tuple[Strips | None, ...]) -> Tensor:
    """True where the size keeps the weight."""
    kept = torch.ones_like(weight, dtype=torch.bool)
    for axis, parts in enumerate(strips):
        if parts is not None:
            along = torch.zeros(weight.shape[axis], dtype=torch.bool)
            for strip in parts:
                along[strip.positions] = True
            kept &= along.view(*(-1 if axis == other else 1 for other in range(weight.dim())))
    return kept


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("latent", [None, 32], ids=["plain", "latent"])
def test_the_small_size_equals_the_masked_whole(
    save_hybrid: Any, run: Any, precision: Precision, latent: int | None
) -> None:
    folder = save_hybrid(**SHAPE, moe_latent_size=latent)
    view = logits(folder, "small", precision, run)
    close(view, masked_whole(folder, "small", precision))
    assert float((view - logits(folder, "large", precision, run)).abs().max()) > 0.1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_view_and_extract_give_the_same_logits(
    save_hybrid: Any, run: Any, tmp_path: Path, precision: Precision, size: str
) -> None:
    folder = in_precision(save_hybrid(**SHAPE), precision)
    steps: list[tuple[int, int]] = []
    extract(folder, size, tmp_path / "out", lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    close(logits(tmp_path / "out", "full", precision, run), logits(folder, size, precision, run))


@pytest.mark.parametrize("size", SIZES)
def test_transformers_loads_an_extract(save_hybrid: Any, run: Any, tmp_path: Path, size: str) -> None:
    folder = save_hybrid(**SHAPE)
    extract(folder, size, tmp_path / "out", silent)
    model: Any = NemotronHForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    with torch.no_grad():
        theirs = model(torch.tensor([TOKENS]), use_cache=False).logits[0]
    close(logits(folder, size, "bf16", run), theirs)


@pytest.mark.parametrize("kernels", ["auto", "reference"])
def test_a_size_copies_no_matrix(save_hybrid: Any, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", kernels)
    tensors = NemotronHTensors(save_hybrid(**SHAPE))
    for precision in PRECISIONS:
        whole = PartReader(tensors, {}).whole(recipe(tensors.config, precision))
        cuts = Cuts(tensors.config, shrink(tensors.config, "small", tensors.folder))
        view = whole.cut(cuts)
        assert memory(view) <= memory(whole)
        assert view.linears.keys() == whole.matrices.keys()


def memory(parts: Parts | WholeParts) -> set[int]:
    """Where the storage of every matrix, every expert and the embedding begins."""
    linears = parts.linears if isinstance(parts, Parts) else parts.matrices
    numbers = [tensor for linear in linears.values() for tensor in numbers_of(linear)]
    stacks = [
        held.held.numbers if isinstance(held, NativeExperts) else held.values
        for held in parts.experts.values()
        if isinstance(held, ExpertWeights | NativeExperts)
    ]
    assert len(stacks) == len(parts.experts)
    held = [*numbers, *stacks, parts.tensors["backbone.embeddings.weight"]]
    return {tensor.untyped_storage().data_ptr() for tensor in held}


def numbers_of(linear: Any) -> list[Tensor]:
    match linear:
        case Matrix():
            return [linear.values]
        case BlockMatrix():
            return [block.values for row in linear.grid for block in row]
        case NativeLinear():
            return [linear.weight.numbers]
        case StackedLinear():
            return [part.weight.numbers for part in linear.parts]
        case other:
            raise TypeError(other)


def test_all_sizes_cost_the_memory_of_one(save_hybrid: Any) -> None:
    checkpoint = NemotronHCheckpoint.open(save_hybrid(**SHAPE))
    checkpoint.network("large", "fp8")
    one = checkpoint.num_shared_bytes
    for size in SIZES:
        assert checkpoint.network(size, "fp8").num_bytes == 0
    assert checkpoint.num_shared_bytes == one


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", SIZES)
def test_a_packed_size_gives_the_same_logits(
    save_hybrid: Any, run: Any, precision: Precision, size: str
) -> None:
    checkpoint = NemotronHCheckpoint.open(save_hybrid(**SHAPE))
    packed = checkpoint.network(size, precision, "packed")
    (out,) = run(packed, (TOKENS, packed.make_cache(len(TOKENS)), 0))
    close(out, logits(checkpoint.folder, size, precision, run))


def test_packed_sizes_hold_their_own_matrices_and_share_the_rest(
    save_hybrid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_KERNELS", "reference")  # native code has no need of copies
    checkpoint = NemotronHCheckpoint.open(save_hybrid(**SHAPE))
    large, small = (checkpoint.network(size, "bf16", "packed") for size in ("large", "small"))
    assert large.num_bytes > small.num_bytes > 0
    shared = checkpoint.num_shared_bytes
    assert checkpoint.network("large", "bf16").num_bytes == 0
    assert checkpoint.num_shared_bytes > shared


def test_precisions_share_what_they_leave_alone(save_hybrid: Any) -> None:
    checkpoint = NemotronHCheckpoint.open(save_hybrid(**SHAPE))
    bytes_after = []
    for precision in PRECISIONS:
        checkpoint.network("large", precision)
        bytes_after.append(checkpoint.num_shared_bytes)
    assert bytes_after[2] < 3 * bytes_after[0]


def test_sizes_of_one_checkpoint_keep_apart_caches(save_hybrid: Any, run: Any) -> None:
    checkpoint = NemotronHCheckpoint.open(save_hybrid(**SHAPE))
    large, small = (checkpoint.network(size, "bf16") for size in ("large", "small"))
    caches = {network: network.make_cache(8) for network in (large, small)}
    for position, token in enumerate(TOKENS[:8]):
        for network, cache in caches.items():
            run(network, ([token], cache, position))
    (after,) = run(small, (TOKENS[8:], caches[small], 8))
    close(after, logits(checkpoint.folder, "small", "bf16", run)[8:])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"hidden_size": 65}, "hidden_size is 65, outside 1 to 64"),
        ({"hidden_size": 0}, "hidden_size is 0, outside 1 to 64"),
        ({"mamba_num_heads": 5}, "each of the 2 groups must keep equally many"),
        ({"n_routed_experts": 1}, "n_routed_experts is 1, fewer than the 2 a token visits"),
        ({"head_dim": 8}, "head_dim cannot be nested"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_size_off_the_grid_is_refused_by_name(
    save_hybrid: Any, fields: dict[str, int], problem: str
) -> None:
    folder = save_hybrid(**(SHAPE | {"elastic_sizes": {"large": {}, "odd": fields}}))
    with pytest.raises(OffGrid, match=problem) as caught:
        NemotronHCheckpoint.open(folder)
    assert caught.value.file == folder / "config.json"
    assert "elastic_sizes.odd" in caught.value.remedy


def test_experts_in_groups_are_not_cut(save_hybrid: Any) -> None:
    sizes = {"large": {}, "odd": {"n_routed_experts": 4}}
    folder = save_hybrid(**(SHAPE | {"n_group": 2, "topk_group": 1, "elastic_sizes": sizes}))
    with pytest.raises(OffGrid, match="experts in several groups cannot be cut"):
        NemotronHCheckpoint.open(folder)


def test_a_cut_inside_an_nvfp4_block_is_refused_in_nvfp4_alone(
    save_hybrid: Any, run: Any, tmp_path: Path
) -> None:
    folder = save_hybrid(**(SHAPE | {"elastic_sizes": {"large": {}, "odd": {"hidden_size": 40}}}))
    checkpoint = NemotronHCheckpoint.open(folder)
    checkpoint.network("odd", "bf16")
    checkpoint.network("odd", "fp8")
    with pytest.raises(
        OffGrid, match=r"tensor .*proj\.weight is NVFP4 .* inputs 0 to 40, inside a block of 16"
    ):
        checkpoint.network("odd", "nvfp4")
    with pytest.raises(OffGrid, match="inside a block of 16"):
        extract(in_precision(folder, "nvfp4"), "odd", tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


def test_an_unknown_size_is_refused_with_the_known_ones(save_hybrid: Any) -> None:
    with pytest.raises(UnknownSize, match="has the sizes large, few_experts, narrow, small, not 'tiny'"):
        NemotronHCheckpoint.open(save_hybrid(**SHAPE)).network("tiny", "bf16")


def test_a_checkpoint_without_sizes_has_one(save_hybrid: Any) -> None:
    assert NemotronHCheckpoint.open(save_hybrid()).sizes == ("full",)
