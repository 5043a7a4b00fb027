"""Compiled kernels: one a program, made by Numba at its first use and kept in Numba's cache on disk.

A kernel takes one array of int64: addresses and bounds, in the order of `ARGUMENTS`. It holds no lock and touches
nothing but these arrays, so threads may run it on different cases. Where `object` is not 0, what stands for an array
of the caller is the address of its array object, whose memory begins where the object says, that far into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import codegen, config, types
from numba.extending import intrinsic

from .emit import emit
from .layout import Layout, Memory
from .mass import emit_mass
from .program import Program
from .programs import form_of, formula_of
from .trace import I64, Trace
from .verify import emit_check

ARGUMENTS = (
    *("x", "label 0", "value", "grad", "hess", "sample", "cotangent", "weight", "positive"),
    *("label 1", "label 2", "label 3", "factor", "factor low", "value low"),
    *("flags", "scratch", "start", "stop", "classes", "inner", "group", "divisor", "check", "ignore", "object"),
)
#: how many of the first may be objects
OBJECTS = 9
Kernel = Callable[[npt.NDArray[np.int64]], int]


@cache
def width(rows: bool, dtype: str) -> int:
    """Return the lanes of a vector: two to four registers' worth, as far as there are registers for it.

    Rows are often short, and pairs need many registers.
    """
    few = 16 if get_host_cpu_features().get("avx512f", False) else 8
    if rows:
        return few
    return 16 if dtype == "float64" else 2 * few


@cache
def register() -> int:
    """Return the float32 in a register that one instruction permutes, or 0 where the target has no such instruction."""
    numba_config: Any = config
    host: Any = codegen.get_host_cpu_features
    features = str(numba_config.CPU_FEATURES or host()).split(",")
    return 16 if "+avx512f" in features else 8 if "+avx2" in features else 0


def program_of(name: str) -> Program:
    """Return the program that a kernel's name says."""
    form, options, quantities, dtype, labels, factor, value, *more = name.split("|")
    weights, order = [one for one in more if ":" in one], [one for one in more if ":" not in one]
    layout = Layout(dtype, labels, factor, value, tuple(weights), "".join(order))
    return Program(formula_of(form, options), tuple(quantities.split("+")), layout, form_of(form).labels)


def name_of(
    form: str, options: str, quantities: tuple[str, ...], dtype: str, labels: str, factor: str, value: str,
    *more: str,
) -> str:  # fmt: skip
    """Return the name of a kernel; more: weights and order, if any, see `Layout`."""
    return "|".join([form, options, "+".join(quantities), dtype, labels, factor, value, *more])


@intrinsic(prefer_literal=True)
def _run(typing: Any, name: Any, arguments: Any) -> Any:
    """Append the body of the kernel that `name` says; gives the number of flags."""
    if not isinstance(name, types.StringLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[1])(context, builder, values[1])

        def argument(k: int) -> Any:
            place = builder.gep(array.data, [ir.Constant(I64, k)])
            return builder.load(place)

        a = {one: argument(k) for k, one in enumerate(ARGUMENTS)}
        for one in ARGUMENTS[:OBJECTS]:
            a[one] = _resolved(builder, a[one], a["object"])
        arrays = tuple(a[f"label {k}"] for k in range(4)), (a["factor"], a["factor low"])
        others = {f.name: a[f.name.replace("_", " ")] for f in fields(Memory) if f.name not in ("labels", "factor")}
        memory = Memory(labels=arrays[0], factor=arrays[1], **others)
        text = name.literal_value
        if text.startswith("check|"):
            _, kind, dtype = text.split("|")
            return emit_check(Trace(builder, width(False, dtype)), kind, dtype, memory)
        if text.startswith("mass|"):
            program = program_of(text.removeprefix("mass|"))
            return emit_mass(Trace(builder, width(True, program.layout.dtype)), program, memory)
        program = program_of(text)
        lanes = width(program.formula.rows, program.layout.dtype)
        return emit(Trace(builder, lanes, register()), program, memory)

    return types.int64(name, arguments), generate


def _resolved(builder: Any, given: Any, offset: Any) -> Any:
    """Return an address that is given, or read it from the array object that is given."""
    zero = ir.Constant(I64, 0)
    own = builder.alloca(I64)
    builder.store(given, own)
    theirs = builder.inttoptr(builder.add(given, offset), own.type)
    is_object = builder.and_(builder.icmp_signed("!=", offset, zero), builder.icmp_signed("!=", given, zero))
    return builder.load(builder.select(is_object, theirs, own), typ=I64)


@cache
def _stamp() -> str:
    """Hash of this package's sources: a kernel in the cache is only used by the code that made it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def kernel(name: str) -> Kernel:
    """Return a kernel: what Numba calls once it has found out which signature is meant, which takes as long again."""
    (one,) = dispatcher(name).overloads.values()
    entry: Kernel = one.entry_point
    return entry


def dispatcher(name: str) -> Any:
    """Return a kernel as Numba's function of one signature, compiled now or taken from the cache."""
    stamp = _stamp()

    def run(arguments: npt.NDArray[np.int64]) -> Any:
        _ = stamp
        return _run(name, arguments)  # type: ignore[call-arg]

    run.__name__ = run.__qualname__ = "".join(c if c.isalnum() else "_" for c in name)
    return numba.njit("int64(int64[::1])", nogil=True, cache=True)(run)
