"""The integer functions behind the operations, safe for any operand up to `LIMIT`.

Every function is exact if its value is at most `LIMIT`; for larger values it may stop early and return anything above
`LIMIT`, so that no text can make the checker slow. `operations` decides which operands are valid.
"""

from itertools import count

LIMIT = 10**9
"""The largest value that a problem of the nano world may hold, as an operand or as a result."""


def prime_factors(n: int) -> dict[int, int]:
    """Exponent of each prime factor of `n` >= 1, smallest first, by trial division."""
    factors: dict[int, int] = {}
    for p in count(2):
        if p * p > n:
            break
        while n % p == 0:
            factors[p] = factors.get(p, 0) + 1
            n //= p
    return factors | {n: 1} if n > 1 else factors


def count_divisors(n: int) -> int:
    """Number of positive divisors of `n` >= 1."""
    product = 1
    for exponent in prime_factors(n).values():
        product *= exponent + 1
    return product


def trailing_zeros(n: int) -> int:
    """Zeros at the end of n!, by Legendre's formula: the exponent of five, since there are always enough twos."""
    zeros = 0
    while n:
        n //= 5
        zeros += n
    return zeros


def choose(n: int, k: int) -> int:
    """C(n, k) for 0 <= k <= n; the partial products C(n, 1), C(n, 2), … grow, so exceeding `LIMIT` once is final."""
    ways = 1
    for i in range(min(k, n - k)):
        ways = ways * (n - i) // (i + 1)
        if ways > LIMIT:
            break
    return ways


def power_of_two(n: int) -> int:
    """2^n; an exponent whose power exceeds `LIMIT` is reduced to another one that does."""
    return 1 << min(n, LIMIT.bit_length())


def arithmetic_sum(a: int, d: int, k: int) -> int:
    """a + (a + d) + … with `k` terms."""
    return k * (2 * a + (k - 1) * d) // 2


def geometric_sum(a: int, r: int, k: int) -> int:
    """a + ar + ar^2 + … with `k` terms, for a, r >= 1; where r >= 2 the sum soon passes `LIMIT`."""
    if r == 1:
        return a * k
    total, term = 0, a
    for _ in range(k):
        total += term
        term *= r
        if total > LIMIT:
            break
    return total
