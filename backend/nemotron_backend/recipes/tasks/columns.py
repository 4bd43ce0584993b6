"""How is a calculation with whole numbers worked digit by digit, from the right?"""


def sum_of(left: int, right: int) -> list[str]:
    """One line for each column of `left + right`."""
    lines, carry = [], 0
    while left or right or carry:
        a, b = left % 10, right % 10
        total = a + b + carry
        lines.append(f"{a} + {b} + {carry} = {total}, write {total % 10} carry {total // 10}")
        left, right, carry = left // 10, right // 10, total // 10
    return lines


def difference_of(large: int, small: int) -> list[str]:
    """One line for each column of `large - small`, which is not negative."""
    lines, borrow = [], 0
    while large or small:
        a, b = large % 10, small % 10
        value = a - b - borrow
        lines.append(f"{a} - {b} - {borrow} = {value}, write {value % 10} borrow {int(value < 0)}")
        large, small, borrow = large // 10, small // 10, int(value < 0)
    return lines


def product_of(left: int, factor: int) -> list[str]:
    """One line for each column of `left * factor`, a factor of one digit."""
    lines, carry = [], 0
    while left or carry:
        digit = left % 10
        total = digit * factor + carry
        lines.append(f"{digit} * {factor} + {carry} = {total}, write {total % 10} carry {total // 10}")
        left, carry = left // 10, total // 10
    return lines
