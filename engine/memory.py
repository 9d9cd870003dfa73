"""How compiled code reaches its memory: records and columns by address.

A portfolio has a dozen state and result arrays and, for each symbol, a dozen columns. Numba passes every array as seven
words, compiles anew for each number of arrays, and takes read-only and writable arrays for different types. One record
of addresses (`engine.state.WORLD`) instead makes each kernel function take one pointer, gives each exactly one
signature, and lets fifty symbols run without a copy of their bars.

The price is that nothing checks an index here. So only `engine.world` makes such a record, and it keeps every array
alive while it is in use; kernels index by counters that `engine.step` bounds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types as nb
from numba.extending import intrinsic

from engine.state import FACTS, FEED, HOLDING, QUOTE, SETTINGS, WORLD
from engine.types import BOOK, DAILY, DENIAL, EQUITY, FILL, ORDER, ROUND_TRIP

F = TypeVar("F", bound=Callable[..., Any])


def _keep_kernels_by_source() -> None:
    """Numba's disk cache notices a change of the file that a kernel stands in, but not of the files that it calls into.

    So the kernels of one state of the engine's sources get a directory of their own, under NUMBA_CACHE_DIR if set.
    """
    here = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    config: Any = numba.config
    home = config.CACHE_DIR or (str(here / "__pycache__") if os.access(here, os.W_OK) else "")
    if home:
        config.CACHE_DIR = os.path.join(home, "kernels-" + digest.hexdigest()[:12])


_keep_kernels_by_source()


def kernel(function: F) -> F:
    """Compile strictly: no reordering of arithmetic, no Python objects, the GIL released, the result kept on disk."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)(function))


def _records(dtype: np.dtype[Any]) -> Callable[[Any, Any], Any]:
    """A compiled function (address, index) → the record there, by reference: reading and writing its fields."""
    record = numba.from_dtype(dtype)

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def record_at(typing_context: Any, address: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            offset = builder.mul(args[1], ir.Constant(ir.IntType(64), dtype.itemsize))
            return builder.inttoptr(builder.add(args[0], offset), context.get_value_type(record))

        return record(nb.int64, nb.int64), codegen

    return cast(Callable[[Any, Any], Any], record_at)


def _loads(scalar: Any, size: int) -> Callable[[Any, Any], Any]:
    """A compiled function (address, index) → the number there; `size`: bytes from one to the next."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def load(typing_context: Any, address: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            offset = builder.mul(args[1], ir.Constant(ir.IntType(64), size))
            element = context.get_value_type(scalar).as_pointer()
            return builder.load(builder.inttoptr(builder.add(args[0], offset), element), align=size)

        return scalar(nb.int64, nb.int64), codegen

    return cast(Callable[[Any, Any], Any], load)


def _stores(scalar: Any, size: int) -> Callable[[Any, Any, Any], None]:
    """A compiled function (address, index, value) that writes the number there."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def store(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            offset = builder.mul(args[1], ir.Constant(ir.IntType(64), size))
            element = context.get_value_type(scalar).as_pointer()
            builder.store(args[2], builder.inttoptr(builder.add(args[0], offset), element))
            return context.get_dummy_value()

        return nb.void(nb.int64, nb.int64, scalar), codegen

    return cast(Callable[[Any, Any, Any], None], store)


def _prefetches(size: int) -> Callable[[Any, Any], None]:
    """A compiled function (address, index) that asks for a cache line; harmless where there is no such memory."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def ask(typing_context: Any, address: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            offset = builder.mul(args[1], ir.Constant(ir.IntType(64), size))
            byte = builder.inttoptr(builder.add(args[0], offset), ir.IntType(8).as_pointer())
            flag = ir.IntType(32)
            hint = ir.FunctionType(ir.VoidType(), [byte.type, flag, flag, flag])
            wanted = builder.module.declare_intrinsic("llvm.prefetch", [byte.type], hint)
            builder.call(wanted, [byte, flag(0), flag(3), flag(1)])  # to read, to keep, data
            return context.get_dummy_value()

        return nb.void(nb.int64, nb.int64), codegen

    return cast(Callable[[Any, Any], None], ask)


float_at = _loads(nb.float64, 8)
int64_at = _loads(nb.int64, 8)
int32_at = _loads(nb.int32, 4)
int8_at = _loads(nb.int8, 1)
word_at = _loads(nb.int64, 1)  # eight bytes from any byte on
ask_for_float = _prefetches(8)
set_int32 = _stores(nb.int32, 4)
set_int64 = _stores(nb.int64, 8)
set_float = _stores(nb.float64, 8)

world_at = _records(WORLD)
settings_at = _records(SETTINGS)
book_at = _records(BOOK)
holding_at = _records(HOLDING)
quote_at = _records(QUOTE)
feed_at = _records(FEED)
order_at = _records(ORDER)
fill_at = _records(FILL)
trip_at = _records(ROUND_TRIP)
denial_at = _records(DENIAL)
equity_at = _records(EQUITY)
daily_at = _records(DAILY)
facts_at = _records(FACTS)
