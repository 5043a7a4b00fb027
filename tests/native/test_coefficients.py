"""native/coefficients.py is what the script writes."""

import importlib.util
from pathlib import Path

from lossbench.native import coefficients

SCRIPT = Path(__file__).parents[2] / "scripts" / "coefficients.py"


def test_regenerating_changes_nothing():
    spec = importlib.util.spec_from_file_location("coefficients_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    __import__("sys").modules[spec.name] = script  # dataclasses look their module up
    spec.loader.exec_module(script)
    assert script.source() == Path(coefficients.__file__).read_text(encoding="utf-8")
