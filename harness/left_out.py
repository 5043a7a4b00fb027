"""What each tier of a run leaves out, in sentences for the plan and the report.

They describe the functions of harness.plan and harness.cells; tests hold them against the plans.
"""

from __future__ import annotations

from collections.abc import Callable

#: Those on timing begin with the word.
LEFT_OUT = {
    "quick": [
        "calls of second rank: divergences of one-hot labels, focal losses at gamma = 0, and what default leaves out",
        "dtypes bfloat16 and float64",
        "torch.compile; Keras in graph and xla mode; optax in eager mode",
        "float16 in JAX eager mode and in TensorFlow's graph and xla modes",
        "rows of 1, 2, 3, 1000 and more classes; JAX, optax and compiled modes see 4 classes only",
        "timing of all shapes but one a form, of every dtype but float32, and of TensorFlow's compiled and "
        "JAX' and optax' eager modes",
    ],
    "default": [
        "classes and aliases that only pass on to a call measured by another name",
        "torch.compile in float16 and bfloat16, and its max-autotune mode",
        "JAX and optax eager mode in float16 and bfloat16; Keras' xla mode in all but float32",
        "rows of 3 and 50 000 classes; JAX, optax and compiled modes see 4 and 1000 only, torch.compile 4",
        "timing of 16-bit formats, and of all but two shapes a form, but one in float64, in compiled modes and in "
        "JAX' and optax' eager modes; those modes are timed in float32 only",
        "timing of the goals' other shapes where they do not fit into the cache (`--only goals` has them), of "
        "eager JAX and optax, of torch.compile at the smallest, and of all but the first call of Keras (eager only), "
        "of TensorFlow's compiled modes and of torch.compile",
    ],
    "full": [],
}
#: The same for a run of the goals alone, after what LEFT_OUT says of its calls.
GOALS_LEFT_OUT = {
    "quick": [
        "goals in float64 and where arrays do not fit into the cache",
        "rivals in eager JAX and optax, in torch.compile at the smallest shapes, and all but the first call of Keras "
        "(eager only), of TensorFlow's compiled modes and of torch.compile",
    ],
    "default": [
        "rivals in eager JAX and optax, in torch.compile at the smallest shapes, and all but the first call of Keras "
        "(eager only), of TensorFlow's compiled modes and of torch.compile; where arrays do not fit into the cache, "
        "all but the first call of a library, except under jax.jit, and Keras",
    ],
    "full": [],
}


def left_out(tier: str, measures: Callable[[str], bool]) -> list[str]:
    """What a tier leaves out of the parts that are asked for. measures: whether a part is."""
    first, others = LEFT_OUT[tier][:1], LEFT_OUT[tier][1:]
    found = first + [s for s in others if measures("throughput" if s.startswith("timing") else "accuracy")]
    return found if measures("throughput") or not measures("goals") else found + GOALS_LEFT_OUT[tier]
