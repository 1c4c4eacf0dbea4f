"""Sums that stay in registers, written in LLVM's language, since no Python loop becomes these. Numbers are addresses and counts.

a tile   Y[i, j] = [Y[i, j] +] (sum over k of X[i, k] W[j, k] [- low[j]]) [scale[j] z[i]] + b[j],   i of a few rows, j of one
         block of outputs
scores   s[t] = q . K[rows[t]]
mixed    y = sum over t of a[t] V[rows[t]]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import core, types
from numba.extending import intrinsic

from axw.networks.fused.processor import Tile, features, tile

cgutils: Any = core.cgutils
_HAS = features()
SHAPE: Tile = tile(_HAS) or Tile(4, 4, 6)
INT, LONG, BYTE, FLOAT = ir.IntType(32), ir.IntType(64), ir.IntType(8), ir.FloatType()


def _multiplier(module: Any, whole: bool) -> Any:
    """(acc, x, w) -> acc + x w of a vector: of floats, or of unsigned by signed bytes, four at a time."""
    lanes = SHAPE.lanes
    if not whole:
        return _fma(module, lanes)
    sums, row = ir.VectorType(INT, lanes), ir.VectorType(BYTE, 4 * lanes)
    name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    return cgutils.get_or_insert_function(module, ir.FunctionType(sums, [sums, row, row]), name)


class Finish(NamedTuple):
    """Where a tile's sums go, as addresses: row i is at Y + i stride. bias (block), added to Y where `add` is not 0.

    Of whole numbers: z (rows), scale (block), low (block).
    """

    Y: Any
    stride: Any
    bias: Any
    add: Any
    z: Any
    scale: Any
    low: Any


def _summed(
    builder: Any, whole: bool, rows: int, X: Any, stride: Any, W: Any, steps: Any, finish: Finish, add: Any
) -> None:
    """The loop over k of a tile of so many rows, and what is made of its sums."""
    element = INT if whole else FLOAT
    vector = ir.VectorType(element, SHAPE.lanes)
    multiply = _multiplier(builder.module, whole)
    as_bytes = ir.VectorType(BYTE, 4 * SHAPE.lanes)

    def factor(value: Any) -> Any:
        return builder.bitcast(value, as_bytes) if whole else value

    sums = [[cgutils.alloca_once(builder, vector) for _ in range(SHAPE.vectors)] for _ in range(rows)]
    for row in sums:
        for place in row:
            builder.store(ir.Constant(vector, None), place)
    begins = [
        builder.inttoptr(builder.add(X, builder.mul(stride, ir.Constant(LONG, i))), element.as_pointer())
        for i in range(rows)
    ]
    weights = builder.inttoptr(W, vector.as_pointer())
    with cgutils.for_range(builder, steps, intp=LONG) as loop:
        at = builder.mul(loop.index, ir.Constant(LONG, SHAPE.vectors))
        parts = []
        for j in range(SHAPE.vectors):
            part = builder.load(builder.gep(weights, [builder.add(at, ir.Constant(LONG, j))]))
            part.align = 4
            parts.append(factor(part))
        for begin, row in zip(begins, sums, strict=True):
            one = builder.load(builder.gep(begin, [loop.index]))
            one.align = 1
            spread = _spread(builder, one, element)
            for part, place in zip(parts, row, strict=True):
                builder.store(builder.call(multiply, _order(whole, builder.load(place), factor(spread), part)), place)
    for i, row in enumerate(sums):
        _finished(builder, whole, [builder.load(place) for place in row], ir.Constant(LONG, i), finish, add)


def _finished(builder: Any, whole: bool, sums: list[Any], i: Any, to: Finish, add: Any) -> None:
    """One row of a tile."""
    address = builder.add(to.Y, builder.mul(to.stride, i))
    if whole:
        z = builder.load(builder.gep(builder.inttoptr(to.z, FLOAT.as_pointer()), [i]))
        by = _spread(builder, z, FLOAT)
    for j, value in enumerate(sums):
        at = ir.Constant(LONG, j * SHAPE.lanes)
        bias, before = _load(builder, to.bias, SHAPE.lanes, at), _load(builder, address, SHAPE.lanes, at)
        start = builder.select(add, builder.fadd(before, bias), bias)
        if whole:
            place = _vector(builder, to.low, SHAPE.lanes, at)
            less = builder.load(builder.bitcast(place, value.type.as_pointer()))
            less.align = 4
            value = builder.sitofp(builder.sub(value, less), bias.type)
            value = builder.fmul(value, _load(builder, to.scale, SHAPE.lanes, at))
            value = builder.call(_fma(builder.module, SHAPE.lanes), [value, by, start])
        else:
            value = builder.fadd(value, start)
        builder.store(value, _vector(builder, address, SHAPE.lanes, at)).align = 4


def _spread(builder: Any, one: Any, element: Any) -> Any:
    """The number in all lanes."""
    nothing = ir.Constant(ir.VectorType(element, SHAPE.lanes), ir.Undefined)
    zero = ir.Constant(ir.VectorType(INT, SHAPE.lanes), None)
    return builder.shuffle_vector(builder.insert_element(nothing, one, ir.Constant(INT, 0)), nothing, zero)


def _order(whole: bool, acc: Any, x: Any, w: Any) -> list[Any]:
    return [acc, x, w] if whole else [x, w, acc]


def _called(builder: Any, name: str, arguments: Any, body: Callable[[Any, Any], None]) -> None:
    """The body as one function of so many whole numbers, which is called: it is compiled once, not at each place of use."""
    kind = ir.FunctionType(ir.VoidType(), [LONG] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, kind, f"axw_{name}_{SHAPE.lanes}")
    if not function.blocks:
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        inside = ir.IRBuilder(function.append_basic_block("begin"))
        body(inside, function.args)
        inside.ret_void()
    builder.call(function, arguments)


def _tile(whole: bool) -> Any:
    """(X, bytes of a row of X, W, steps over k, rows, Y, stride, (the other parts of `Finish`)): all but the numbers are
    addresses."""

    def body(builder: Any, given: Any) -> None:
        X, stride, W, steps, rows, *rest = given
        finish = Finish(*rest)
        add = builder.icmp_signed("!=", finish.add, ir.Constant(LONG, 0))
        end = builder.append_basic_block("tiled")
        choice = builder.switch(rows, end)
        for count in range(1, SHAPE.rows + 1):
            block = builder.append_basic_block(f"rows{count}")
            choice.add_case(ir.Constant(LONG, count), block)
            builder.position_at_end(block)
            _summed(builder, whole, count, X, stride, W, steps, finish, add)
            builder.branch(end)
        builder.position_at_end(end)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        *numbers, others = given
        parts = [builder.extract_value(others, place) for place in range(5)]
        _called(builder, "whole_tile" if whole else "float_tile", [*numbers, *parts], body)
        return context.get_dummy_value()

    def made(typing: Any, X: Any, stride: Any, W: Any, steps: Any, rows: Any, Y: Any, pitch: Any, given: Any) -> Any:
        return types.void(*[types.intp] * 7, types.UniTuple(types.intp, 5)), code  # type: ignore[no-untyped-call]

    return intrinsic(made)


def _row(builder: Any, base: Any, size: Any, rows: Any, t: Any) -> Any:
    """The address of base[rows[t]], rows of `size` bytes."""
    place = builder.load(builder.gep(builder.inttoptr(rows, LONG.as_pointer()), [t]))
    return builder.add(base, builder.mul(size, place))


def _vector(builder: Any, address: Any, lanes: int, at: Any) -> Any:
    """The address of the vector of floats that begins `at` floats behind the address."""
    place = builder.add(address, builder.mul(at, ir.Constant(LONG, 4)))
    return builder.inttoptr(place, ir.VectorType(FLOAT, lanes).as_pointer())


def _load(builder: Any, address: Any, lanes: int, at: Any) -> Any:
    found = builder.load(_vector(builder, address, lanes, at))
    found.align = 4
    return found


def _fma(module: Any, lanes: int) -> Any:
    row = ir.VectorType(FLOAT, lanes)
    return cgutils.get_or_insert_function(module, ir.FunctionType(row, [row] * 3), f"llvm.fma.v{lanes}f32")


def _widths(builder: Any, k: Any, wide: int) -> list[tuple[int, Any, Any]]:
    """Floats from 0 to k in pieces of `wide`, and the rest one by one: (lanes, first, pieces)."""
    pieces = builder.udiv(k, ir.Constant(LONG, wide))
    first = builder.mul(pieces, ir.Constant(LONG, wide))
    return [(wide, ir.Constant(LONG, 0), pieces), (1, first, builder.sub(k, first))]


def _scored(typing: Any, q: Any, keys: Any, size: Any, rows: Any, n: Any, k: Any, out: Any) -> Any:
    """out[t] = q . keys[rows[t]], t < n, of k floats; rows of `size` bytes, numbers of 64 bits."""

    def body(builder: Any, given: Any) -> None:
        q, keys, size, rows, n, k, out = given
        add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(FLOAT, [FLOAT, ir.VectorType(FLOAT, SHAPE.lanes)]),
            f"llvm.vector.reduce.fadd.v{SHAPE.lanes}f32",
        )
        widths = _widths(builder, k, SHAPE.lanes)
        with cgutils.for_range(builder, n, intp=LONG) as each:
            key, total = _row(builder, keys, size, rows, each.index), ir.Constant(FLOAT, 0.0)
            for lanes, first, pieces in widths:
                kind = ir.VectorType(FLOAT, lanes)
                place = cgutils.alloca_once(builder, kind)
                builder.store(ir.Constant(kind, None), place)
                with cgutils.for_range(builder, pieces, intp=LONG) as piece:
                    at = builder.add(first, builder.mul(piece.index, ir.Constant(LONG, lanes)))
                    x, y = (_load(builder, row, lanes, at) for row in (q, key))
                    builder.store(builder.call(_fma(builder.module, lanes), [x, y, builder.load(place)]), place)
                found = builder.load(place)
                if lanes == 1:
                    total = builder.fadd(total, builder.extract_element(found, ir.Constant(INT, 0)))
                else:
                    total = builder.call(add, [total, found], fastmath=("reassoc",))
            builder.store(total, builder.gep(builder.inttoptr(out, FLOAT.as_pointer()), [each.index]))

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _called(builder, "scored", given, body)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), code


def _mixed(typing: Any, a: Any, values: Any, size: Any, rows: Any, n: Any, k: Any, out: Any) -> Any:
    """out = sum over t < n of a[t] values[rows[t]], of k floats; rows of `size` bytes, numbers of 64 bits."""

    def body(builder: Any, given: Any) -> None:
        a, values, size, rows, n, k, out = given
        for lanes, first, pieces in _widths(builder, k, SHAPE.lanes):
            kind = ir.VectorType(FLOAT, lanes)
            place, nothing = cgutils.alloca_once(builder, kind), ir.Constant(kind, ir.Undefined)
            spread = ir.Constant(ir.VectorType(INT, lanes), None)
            with cgutils.for_range(builder, pieces, intp=LONG) as piece:
                at = builder.add(first, builder.mul(piece.index, ir.Constant(LONG, lanes)))
                builder.store(ir.Constant(kind, None), place)
                with cgutils.for_range(builder, n, intp=LONG) as each:
                    share = builder.load(builder.gep(builder.inttoptr(a, FLOAT.as_pointer()), [each.index]))
                    one = builder.insert_element(nothing, share, ir.Constant(INT, 0))
                    value = _load(builder, _row(builder, values, size, rows, each.index), lanes, at)
                    by = builder.shuffle_vector(one, nothing, spread)
                    builder.store(builder.call(_fma(builder.module, lanes), [by, value, builder.load(place)]), place)
                kept = builder.store(builder.load(place), _vector(builder, out, lanes, at))
                kept.align = 4

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _called(builder, "mixed", given, body)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), code


def _as_float(typing: Any, bits: Any) -> Any:
    """The float32 whose 32 bits these are."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.bitcast(given[0], FLOAT)

    return types.float32(types.int32), code


float_tile, whole_tile = _tile(False), _tile(True)
scored: Any = intrinsic(_scored)
mixed: Any = intrinsic(_mixed)
as_float: Any = intrinsic(_as_float)
