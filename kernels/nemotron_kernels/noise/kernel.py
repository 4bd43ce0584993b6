# pyright: basic, reportArgumentType=false
"""How does a Triton kernel make the noise of a tile of token ids?"""

import triton
import triton.language as tl


@triton.jit
def uniform_of(word):
    """float32 numbers between 0 and 1 from words of 32 bits."""
    return (word.to(tl.float32) + 0.5) * 2.3283064365386963e-10  # 2^-32


@triton.jit
def exponential_of(word):
    """-ln(1 - u), by its series where 1 - u has lost the digits of u."""
    u = uniform_of(word)
    return tl.where(u < 0.000244140625, u + 0.5 * u * u, -tl.log(1.0 - u))


@triton.jit
def words_of(seed, counter, block, STREAM: tl.constexpr):
    """The four words of blocks of four ids, for an int64 seed and counters of a row or of each block."""
    low = (counter & 0xFFFFFFFF).to(tl.uint32)
    high = ((counter >> 32) & 0xFFFFFFFF).to(tl.uint32)
    zeros = block.to(tl.uint32) * 0
    return tl.philox(seed, block.to(tl.uint32), zeros + low, zeros + high, zeros + STREAM)


@triton.jit
def exponential_tile(seed, counter, begin, STREAM: tl.constexpr, WIDTH: tl.constexpr):
    """Waiting times of the ids from `begin`, a multiple of four, on: [WIDTH]."""
    block = begin // 4 + tl.arange(0, WIDTH // 4)
    word_0, word_1, word_2, word_3 = words_of(seed, counter, block, STREAM)
    # Four neighbours share a block, and joining twice sets them side by side again.
    words = tl.join(tl.join(word_0, word_2), tl.join(word_1, word_3))
    return tl.reshape(exponential_of(words), (WIDTH,))
