"""The GEMM floor: the matrix products of a fit, and nothing else.

No activation, loss, bias, optimizer or copying of rows: what is left is what any
trainer that computes in batches has to do. Each product is tried in every layout (both
operands and the result stored either way round), and a stack of lanes whole and in
parts, on one thread, on all, and in parts side by side; the best is taken.
"""

import functools
import itertools
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import torch
from common import cores
from peers import limited_threads
from torch import Tensor


@dataclass(frozen=True)
class Product:
    """(m, k) @ (k, n), for each lane of a stack."""

    kind: str
    m: int
    k: int
    n: int
    lanes: int = 1

    @property
    def flops(self) -> int:
        return 2 * self.lanes * self.m * self.k * self.n


@dataclass(frozen=True)
class Work:
    """Products that are computed one after the other, so many times."""

    times: int
    products: tuple[Product, ...]


def step_products(
    widths: Sequence[int], batch: int, lanes: int = 1, training: bool = True
) -> tuple[Product, ...]:
    """List the products of one step of a network of these widths, input to output."""
    layers = list(itertools.pairwise(widths))
    products = [Product("forward", batch, a, b, lanes) for a, b in layers]
    if training:
        for index, (a, b) in reversed(list(enumerate(layers))):
            products.append(Product("weight gradient", a, batch, b, lanes))
            if index:  # the gradient of the data is not needed
                products.append(Product("input gradient", batch, b, a, lanes))
    return tuple(products)


def fit_work(
    widths: Sequence[int],
    n_rows: int,
    batch_size: int,
    epochs: int,
    lanes: int = 1,
    n_held_out: int = 0,
) -> list[Work]:
    """List the work of a fit; rows held out are passed forward once an epoch."""
    full, rest = divmod(n_rows, batch_size)
    work = []
    if full:
        work.append(Work(epochs * full, step_products(widths, batch_size, lanes)))
    if rest:
        work.append(Work(epochs, step_products(widths, rest, lanes)))
    if n_held_out:
        forward = step_products(widths, n_held_out, lanes, training=False)
        work.append(Work(epochs, forward))
    return work


@dataclass(frozen=True)
class Setting:
    """How to compute: found by `Floor.choose`."""

    workers: int  # Python threads, side by side, among which the parts are dealt out
    threads: int  # of torch, in each worker
    parts: int  # a stack is computed in so many parts

    def __str__(self) -> str:
        text = f"{self.threads} thread{'s' * (self.threads > 1)}"
        if self.parts > 1:
            text += f", stack in {self.parts} parts"
        return text + (f", {self.workers} at a time" if self.workers > 1 else "")


def settings(lanes: int) -> list[Setting]:
    """List the settings to try for a stack of so many lanes."""
    n = cores()
    ways = [*((1, threads, parts) for threads in {1, n} for parts in (1, 2, 4, 8))]
    ways += [(n, 1, n * parts) for parts in (1, 2, 4) if n > 1]
    return [Setting(*way) for way in ways if way[2] <= lanes]


class Floor:
    """Measures work of one stack (or one fit), in the best setting found."""

    def __init__(self, work: list[Work], dtype: str = "float32") -> None:
        self.work, self.dtype = work, getattr(torch, dtype)
        self.lanes = work[0].products[0].lanes
        self.setting: Setting | None = None
        self.tried: dict[str, float] = {}  # setting -> seconds of the whole work

    def choose(self, budget: float = 0.2) -> "Floor":
        """Try all settings on samples of about `budget` seconds each."""
        seconds = {way: self.measure(way, budget) for way in settings(self.lanes)}
        self.setting = min(seconds, key=seconds.__getitem__)
        self.tried = {str(way): value for way, value in seconds.items()}
        return self

    def measure(self, setting: Setting | None = None, budget: float = 2.0) -> float:
        """Return the seconds of the whole work, from a sample scaled up if it is long.

        Every step is alike, so a sample tells; it runs for about `budget` seconds.
        """
        setting = setting or self.setting
        if setting is None:
            raise RuntimeError("choose() a setting first")
        sizes = split(self.lanes, setting.parts)
        dealt = [sizes[worker :: setting.workers] for worker in range(setting.workers)]
        with limited_threads(setting.threads):
            # found before any worker starts: they would disturb each other
            layouts = self._layouts(sizes[0], setting.threads)
            run = partial(self._run, layouts, setting.threads, budget)
            if setting.workers == 1:
                return run(sizes)
            with ThreadPoolExecutor(setting.workers) as pool:
                return max(pool.map(run, dealt))

    def _layouts(self, lanes: int, threads: int) -> list[list[int]]:
        return [
            [
                _best_layout(replace(product, lanes=lanes), self.dtype, threads)
                for product in work.products
            ]
            for work in self.work
        ]

    def _run(
        self, layouts: list[list[int]], threads: int, budget: float, sizes: list[int]
    ) -> float:
        """Compute parts of these sizes, one after the other."""
        torch.set_num_threads(threads)  # torch counts them for each thread apart
        total = 0.0
        for size, (work, ways) in itertools.product(
            sizes, zip(self.work, layouts, strict=True)
        ):
            calls = [
                _call(replace(product, lanes=size), layout, self.dtype)
                for product, layout in zip(work.products, ways, strict=True)
            ]
            total += _seconds(calls, work.times, budget / len(sizes))
        return total


def split(lanes: int, parts: int) -> list[int]:
    """Deal lanes out to parts, the larger parts first."""
    return [lanes // parts + (part < lanes % parts) for part in range(parts)]


def _call(product: Product, layout: int, dtype: torch.dtype) -> tuple:
    """Make the operands of one product in one of eight layouts."""
    a = _stored(product.lanes, product.m, product.k, dtype, bool(layout & 1))
    b = _stored(product.lanes, product.k, product.n, dtype, bool(layout & 2))
    if layout & 4:  # the result is stored transposed: (A B)^T = B^T A^T
        a, b = b.transpose(-1, -2), a.transpose(-1, -2)
    if product.lanes == 1:
        a, b = a[0], b[0]
        return torch.mm, a, b, torch.mm(a, b)
    return torch.bmm, a, b, torch.bmm(a, b)


def _stored(
    lanes: int, rows: int, columns: int, dtype: torch.dtype, transposed: bool
) -> Tensor:
    if transposed:
        return torch.rand(lanes, columns, rows, dtype=dtype).transpose(-1, -2)
    return torch.rand(lanes, rows, columns, dtype=dtype)


@functools.cache
def _best_layout(product: Product, dtype: torch.dtype, threads: int) -> int:
    """Time a product by itself in each layout. `threads` is for the cache alone."""
    seconds = {
        layout: _seconds([_call(product, layout, dtype)], 200, budget=0.01)
        for layout in range(8)
    }
    return min(seconds, key=seconds.__getitem__)


def _seconds(calls: Iterable[tuple], times: int, budget: float) -> float:
    """Time so many rounds of the calls, or as many as fit the budget, scaled up."""
    calls = list(calls)
    _rounds(calls, 1)
    once = _rounds(calls, 1)
    n_rounds = max(1, min(times, int(budget / max(once, 1e-9))))
    return _rounds(calls, n_rounds) * times / n_rounds


def _rounds(calls: list[tuple], n_rounds: int) -> float:
    start = time.perf_counter()
    for _ in range(n_rounds):
        for multiply, a, b, out in calls:
            multiply(a, b, out=out)
    return time.perf_counter() - start
