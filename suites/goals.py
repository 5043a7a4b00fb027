"""What `lossbench.native` wants to reach: ratios of times in one run, by regime, work class and kind of rival.

A goal is a wish and no result: a run computes from its own rows which goals it meets, and shows the missed ones too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]
#: (form, encoding of the labels)
Work = tuple[str, str]

SOFTMAX: tuple[Work, ...] = (("softmax_xent", "index"),)
POINTWISE: tuple[Work, ...] = (("sigmoid_bce", "binary"), ("margin_logistic", "signed"), ("sigmoid", "-"))

#: Kinds of rivals, and who they are.
RIVALS = {
    "any": "every rival",
    "compiler": "the best compiler: torch.compile, jax.jit, tf.function, XLA, ONNX Runtime",
    "eager": "the best framework in eager mode",
    "numpy": "NumPy and SciPy",
    "autograd": "the best path through automatic differentiation, compiled or not",
}


@dataclass(frozen=True)
class Goal:
    """How many times as long the best rival of a kind should take as native, on each of some forms and shapes.

    work: F value, FB value and gradient. prepared: through `prepare`, else through the checked call.
    """

    regime: str
    forms: tuple[Work, ...]
    shapes: tuple[Shape, ...]
    work: str
    rivals: str
    ratio: float
    prepared: bool = False
    dtype: str = "float32"

    def works(self) -> list[tuple[Work, Shape]]:
        """The cells of the goal: each form at each shape."""
        return [(form, shape) for form in self.forms for shape in self.shapes]


def _goals(
    regime: str, forms: tuple[Work, ...], shapes: tuple[Shape, ...], *wanted: tuple[str, str, float, float]
) -> list[Goal]:
    """Goals of one regime: rows (work, rivals, ratio through the checked call, ratio through prepare or 0)."""
    goals = []
    for work, rivals, checked, prepared in wanted:
        goals.append(Goal(regime, forms, shapes, work, rivals, checked))
        if prepared:
            goals.append(Goal(regime, forms, shapes, work, rivals, prepared, True))
    return goals


_SMALL = (("F", "any", 1.5, 3.0), ("FB", "autograd", 5.0, 10.0))
_MEDIUM = (("F", "any", 1.5, 0), ("FB", "any", 3.0, 0))

GOALS: tuple[Goal, ...] = (
    *_goals("small", SOFTMAX, ((8, 10), (32, 100)), *_SMALL),
    *_goals("small", POINTWISE, ((1_000,),), *_SMALL),
    *_goals("medium", SOFTMAX, ((256, 1_000), (1_024, 1_000)), *_MEDIUM),
    *_goals("medium", POINTWISE, ((1_000_000,),), *_MEDIUM),
    *_goals("large", SOFTMAX, ((1_024, 32_000), (256, 128_256)),
            ("F", "compiler", 1.0, 0), ("F", "eager", 1.8, 0),
            ("FB", "compiler", 1.8, 0), ("FB", "eager", 3.5, 0)),
    *_goals("sigmoid and margin", POINTWISE, ((1_000_000,), (30_000_000,)),
            ("F", "compiler", 1.3, 0), ("F", "eager", 4.0, 0), ("F", "numpy", 10.0, 0),
            ("FB", "compiler", 1.5, 0), ("FB", "eager", 5.0, 0), ("FB", "numpy", 10.0, 0)),
)  # fmt: skip

#: In every float64 cell that is timed native should not be the slower one.
FLOAT64 = 1.0

#: Elements from which on a shape is large: its arrays do not fit into the cache.
LARGE = 10_000_000
#: Elements up to which a shape is small: what a call costs before it computes.
SMALL = 3_200


def size(shape: Shape) -> int:
    """Elements of a shape."""
    return prod(shape)


def shapes_of(form: str, encoding: str) -> list[Shape]:
    """Shapes that some goal names for a form, the smallest first."""
    found = {shape for goal in GOALS for work, shape in goal.works() if work == (form, encoding)}
    return sorted(found, key=size)
