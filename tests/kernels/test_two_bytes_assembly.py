"""Do the instructions that take apart two bytes of NVFP4 give the codes' values, whatever the bytes?

Triton's interpreter cannot run assembly, so the text that is given to the compiler is run here, instruction
by instruction, for every byte and every block scale.
"""

import re
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from nemotron_kernels.nvfp4 import decode, unpack
from nemotron_kernels.quantised_linear.four_bit.assembly import LEFT, SCALE_FACTORS, two_bytes

TYPES = {"f16": torch.float16, "bf16": torch.bfloat16}


@pytest.mark.parametrize("kind", TYPES)
def test_every_byte_under_every_scale_gives_both_products(kind: str) -> None:
    first = torch.arange(256).repeat_interleave(126)
    second = 255 - first
    scales = torch.arange(1, 127, dtype=torch.uint8).view(torch.float8_e4m3fn).float().repeat(256)
    factors = _bits((scales * SCALE_FACTORS[kind]).to(TYPES[kind]))
    even, odd = _run(two_bytes(kind), kind, {"$2": first | second << 8, "$3": factors | factors << 16})
    for position, packed in enumerate((first, second)):
        codes = decode(unpack(packed.to(torch.uint8)[:, None]))
        for column, found in enumerate((even, odd)):
            number = _number(found >> 16 * position & 0xFFFF, kind)
            assert torch.equal(number * LEFT, codes[:, column].double() * scales)


def _run(text: str, kind: str, registers: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    instructions = [line.strip() for line in text.strip(" {}\n").split(";") if line.strip()]
    assert instructions[0].startswith(".reg .b32")
    for instruction in instructions[1:]:
        name, target, *sources = re.split(r"[ ,]+", instruction)
        operands = [registers[s] if s in registers else torch.tensor(int(s, 0)) for s in sources]
        registers[target] = _OPERATIONS[name](*operands, kind) & 0xFFFFFFFF
    return registers["$0"], registers["$1"]


def _permute(low: Tensor, high: Tensor, selector: Tensor, _kind: str) -> Tensor:
    """Byte i of the result is byte `selector >> 4 i & 7` of high : low."""
    both = low | high << 32
    parts = [(both >> 8 * int(selector >> 4 * i & 7) & 0xFF) << 8 * i for i in range(4)]
    return torch.stack(parts).sum(0)


def _multiply_add(a: Tensor, b: Tensor, c: Tensor, kind: str) -> Tensor:
    """In each half; float64 holds the exact product, and torch rounds it once, subnormal numbers included."""
    halves = [
        _bits(
            (
                _number(a >> at & 0xFFFF, kind) * _number(b >> at & 0xFFFF, kind)
                + _number(c >> at & 0xFFFF, kind)
            ).to(TYPES[kind])
        )
        for at in (0, 16)
    ]
    return halves[0] | halves[1] << 16


def _bits(numbers: Tensor) -> Tensor:
    return numbers.view(torch.int16).long() & 0xFFFF


def _number(bits: Tensor, kind: str) -> Tensor:
    return torch.where(bits >= 0x8000, bits - 0x10000, bits).to(torch.int16).view(TYPES[kind]).double()


_OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "cvt.u32.u16": lambda a, _: a & 0xFFFF,
    "shl.b32": lambda a, b, _: a << b,
    "shr.u32": lambda a, b, _: a >> b,
    "and.b32": lambda a, b, _: a & b,
    "or.b32": lambda a, b, _: a | b,
    "mov.b32": lambda a, _: a,
    "prmt.b32": _permute,
    "fma.rn.f16x2": _multiply_add,
    "fma.rn.bf16x2": _multiply_add,
}
