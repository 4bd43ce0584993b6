"""For which precisions and batches are the experts' kernels compiled?"""

from nemotron_kernels._build import Build, Target
from nemotron_kernels.grouped_experts.arguments import config_for
from nemotron_kernels.grouped_experts.kernel import down_and_sum, product, sum_parts

_POINTERS = {
    "x_ptr": "*bf16",
    "weight_ptr": "*u8",
    "block_scale_ptr": "*u8",
    "scale_ptr": "*fp32",
    "routing_ptr": "*fp32",
    "rows_ptr": "*i32",
    "experts_ptr": "*i32",
    "out_ptr": "*bf16",
}
_SIZES = dict.fromkeys(
    (
        *(
            "num_rows",
            "num_columns",
            "chosen",
            "stride_x",
            "stride_expert",
            "stride_row",
            "stride_block_expert",
        ),
        *("stride_block_row", "stride_scale_expert", "stride_scale_row", "stride_out"),
    ),
    "i32",
)
_WHOLE = (
    "num_rows",
    "num_columns",
    "stride_x",
    "stride_expert",
    "stride_row",
    "stride_block_expert",
    "stride_out",
)
_TENSOR_CORES: dict[Target, str] = {"sm_80": "HMMA", "sm_90": "HGMMA", "sm_100": "UTCHMMA", "sm_120": "HMMA"}


def _build(name: str, form: str, rows_per_expert: int, **flags: bool) -> Build:
    config = config_for(rows_per_expert)
    tiles = {key: config[key] for key in ("TILE", "BLOCK_N", "BLOCK_K")}
    weight = "*bf16" if form == "plain" else "*u8"
    constants = {
        "FORMAT": form,
        "KIND": "bf16",
        "INTERPRETED": False,
        "HAS_SCALE": form != "plain",
        **flags,
        **tiles,
    }
    rows = "*i32" if form == "nvfp4" else "*bf16"  # pairs of bfloat16
    signature = {**_POINTERS, "x_ptr": rows, "weight_ptr": weight, **_SIZES}
    kernel = product
    if "IS_UP" not in flags:
        kernel = down_and_sum
        renamed = {"x_ptr": "hidden_ptr", "stride_x": "stride_hidden"}
        signature = {renamed.get(key, key): kind for key, kind in signature.items() if key != "rows_ptr"}
    if not flags.get("IS_GROUPED"):
        signature["experts_ptr"] = "*i64"
    divisible = tuple(key for key in signature if key in _WHOLE or key == "stride_hidden")
    return Build(
        f"{name} {form}",
        kernel,
        signature,
        constants,
        num_warps=config["num_warps"],
        num_stages=config["num_stages"],
        divisible=divisible,
        instructions=_TENSOR_CORES,
    )


# The tiles do not depend on the layer, so these are the binaries of Nano and of Super.
BUILDS = (
    *(
        build
        for form in ("plain", "fp8", "nvfp4")
        for build in (
            _build("one token down", form, 1),
            _build("batch up", form, 1, IS_UP=True, IS_GROUPED=True),
            _build("prompt down", form, 64, IS_UP=False, IS_GROUPED=True),
        )
    ),
    _build("one token up", "nvfp4", 1, IS_UP=True, IS_GROUPED=False),
    Build(
        "sum",
        sum_parts,
        {
            "parts_ptr": "*bf16",
            "out_ptr": "*bf16",
            "num_columns": "i32",
            "chosen": "i32",
            "stride_out": "i32",
        },
        {"BLOCK_C": 1024},
        divisible=("num_columns", "stride_out"),
    ),
)
