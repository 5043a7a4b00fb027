"""Which timing cells a plan has: every implementation at a few shapes, and the cells of the goals; and their cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.adapters.adapter import Call, Unsupported
from lossbench.harness.plan import COMPILED, START_COST, Plan, Unit
from lossbench.harness.rows import Row, implementation_id
from lossbench.harness.scoring import Context, blank
from lossbench.reference import form_of
from lossbench.suites import TIERS, goals, throughput
from lossbench.suites.goals import Shape


@dataclass(frozen=True)
class Cell:
    """One timing cell: a call in one mode, on one shape, value only (F) or value and gradient (FB)."""

    library: str
    call: str
    mode: str
    device: str
    form: str
    encoding: str
    options: str
    dtype: str
    shape: Shape
    work: str

    @property
    def id(self) -> str:
        """Stable name of the cell, which is its unit in the row file."""
        fields = asdict(self) | {"shape": "x".join(map(str, self.shape))}
        return "timing/" + "/".join(map(str, fields.values()))


def lay_out(plan: Plan) -> list[Cell]:
    """Timing cells of a plan: every implementation that accuracy asks, in the encoding its call documents first, and
    the rivals of the goals."""
    cells: dict[Cell, None] = {}
    if plan.filters.measures("throughput"):
        for unit, call in _timed(plan):
            if not call.rowwise:
                for shape in _shapes(plan.tier, unit.library, unit.mode, unit.dtype, unit.form):
                    cells.update((_cell(unit, shape, work), None) for work in _works(call))
    if plan.filters.measures("goals"):
        cells.update((cell, None) for cell in _goal_cells(plan))
    return list(cells)


def absences(plan: Plan, context: Context) -> list[Row]:
    """Rows of what is not timed although its accuracy is measured, with the reason."""
    rows: dict[tuple[str, ...], Row] = {}
    works: tuple[str, ...]
    for unit, call in _timed(plan):
        if call.rowwise:
            why, works = "it returns a mean only, and one call a row would time the calls", ("F", "FB")
        elif isinstance(call.gradient, Unsupported):
            why, works = call.gradient.reason, ("FB",)
        else:
            continue
        for work in works:
            cell = _cell(unit, (), work)
            rows[cell.id,] = replace(row_of(context, cell), status="unsupported", reason=why)
    return list(rows.values())


def row_of(context: Context, cell: Cell) -> Row:
    """The row of a cell, without a measurement."""
    key = {name: value for name, value in asdict(cell).items() if name not in ("shape", "work")}
    gradient = form_of(cell.form).quantities[1]
    return blank(
        context,
        **key,
        quantity="value" if cell.work == "F" else f"value+{gradient}",
        shape="x".join(map(str, cell.shape)),
        suite="throughput",
        work_class=cell.work,
        cache="hot",
        metric="seconds",
    )


def _timed(plan: Plan) -> Iterator[tuple[Unit, Call]]:
    """Units whose encoding is the first that their call documents, with the call."""
    for unit in plan.units:
        for call in adapter_of(unit.library).calls:
            same = (call.form, call.name, call.options) == (unit.form, unit.call, unit.options)
            if same and unit.encoding == call.encodings[0]:
                yield unit, call


def _works(call: Call) -> tuple[str, ...]:
    return ("F",) if isinstance(call.gradient, Unsupported) else ("F", "FB")


def _cell(unit: Unit, shape: Shape, work: str) -> Cell:
    key = {name: value for name, value in asdict(unit).items() if name != "classes"}
    return Cell(**key, shape=shape, work=work)


def _eager_jax(library: str, mode: str) -> bool:
    """Whether every operation is a compiled program of its own."""
    return library in ("jax", "optax") and mode == "eager"


def _shapes(tier: str, library: str, mode: str, dtype: str, form: str) -> list[Shape]:
    eager_jax = _eager_jax(library, mode)
    if tier == "quick":
        wanted = dtype == "float32" and mode not in ("graph", "xla") and not eager_jax
    elif tier == "default":
        wanted = dtype == "float32" or (dtype == "float64" and mode not in COMPILED and not eager_jax)
    else:
        wanted = True
    one = mode in COMPILED or eager_jax or dtype != "float32"
    return throughput.shapes(form_of(form), tier, one) if wanted else []


#: Which goal cells a tier times beside everything else, and which in a run of the goals alone: none, those that fit
#: into the cache and are float32, those of the main calls, every one there is.
_SCOPES = {"quick": ("", "cached"), "default": ("cached", "main"), "full": ("every", "every")}


def _goal_cells(plan: Plan) -> Iterator[Cell]:
    """Every rival of the goals, in every mode, as far as the tier goes."""
    filters = plan.filters
    scope = _SCOPES[plan.tier][not filters.measures("throughput")]
    for library in libraries() if scope else ():
        adapter = adapter_of(library)
        if adapter.installed():
            continue
        first: dict[goals.Work, Call] = {}
        for call in adapter.calls:
            work = (call.form, call.encodings[0])
            shapes = goals.shapes_of(*work)
            left_out = call.options or call.rowwise or TIERS.index(call.tier) > TIERS.index(plan.tier)
            if not shapes or left_out or (filters.form is not None and call.form not in filters.form):
                continue
            main = first.setdefault(work, call) is call
            for mode in adapter.modes:
                if not filters.wants(implementation_id(library, call.name, mode, filters.device)):
                    continue
                for dtype in ("float32", "float64"):
                    lacks = mode in call.lacks or dtype in call.lacks or dtype in adapter.lacks_dtypes
                    if lacks or (filters.dtype is not None and dtype not in filters.dtype):
                        continue
                    for shape in shapes:
                        if _raced(scope, library, mode, dtype, shape, main):
                            key = (library, call.name, mode, filters.device, *work, "", dtype, shape)
                            yield from (Cell(*key, w) for w in _works(call))


def _raced(scope: str, library: str, mode: str, dtype: str, shape: Shape, main: bool) -> bool:
    """Whether an implementation runs at a goal's shape. main: it is the call that its library's table names first."""
    elements = goals.size(shape)
    small, large = elements <= goals.SMALL, elements >= goals.LARGE
    if scope == "every":
        return True
    if mode == "numpy" or _eager_jax(library, mode):
        return False
    if library == "keras":
        return main and mode == "eager" and dtype == "float32" and not large
    if mode in ("graph", "xla", "compile", "compile-max-autotune") and not main:
        return False
    if mode.startswith("compile") and small:
        return False
    if dtype == "float64":
        return scope == "main" and not small and not large and mode != "compile-max-autotune"
    return not large or (scope == "main" and (main or mode == "jit"))


#: Seconds that a library's process takes to start beside the library itself, a cell to set up (its kernel of native
#: loaded), a mode to compile; nanoseconds of an element in a call, and the calls of a cell and its duels beyond those
#: that the budget allows. Seen on one 2-core machine; they only predict.
_PROCESS, _SETUP = 3.0, 0.1
_COMPILE_COST = {"jit": 0.15, "graph": 0.15, "xla": 0.3, "compile": 2.5, "compile-max-autotune": 1.0}
_ELEMENT_NS, _CALLS = 5.0, 14


def predicted_seconds(cells: list[Cell], budget: float) -> float:
    """Predicted wall time of the cells, duels included."""
    total = sum(_PROCESS + START_COST.get(library, 1.0) for library in {cell.library for cell in cells})
    for cell in cells:
        call = _ELEMENT_NS * 1e-9 * goals.size(cell.shape)
        total += _SETUP + budget + _COMPILE_COST.get(cell.mode, 0.0) + _CALLS * call
    return total
