"""What describes a run beside its rows: env.json and plan.json, each written whole or not at all."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossbench.harness import environment


class Record:
    """The two files of a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def environment(self, run_id: str) -> None:
        """Write env.json, unless the run that is gone on with has it."""
        path = self.folder / "env.json"
        if not path.exists():
            started = datetime.now(UTC).isoformat(timespec="seconds")
            _write(path, environment.describe(run_id, started))

    def note(self, library: str, reason: str = "", **facts: Any) -> None:
        """Add what a worker found out about its library to env.json; `reason` when it cannot be used."""
        path = self.folder / "env.json"
        with self._lock:
            env = json.loads(path.read_text(encoding="utf-8"))
            for name, value in facts.items():
                env.setdefault(name, {})[library] = value
            if reason:
                env["libraries"][library]["status"] = reason
            _write(path, env)

    def exact(self, provenance: dict[str, Any]) -> None:
        """Add to env.json how the exact values came about."""
        path = self.folder / "env.json"
        with self._lock:
            env = json.loads(path.read_text(encoding="utf-8"))
            _write(path, env | {"exact": provenance})

    def plan(self, facts: dict[str, Any]) -> None:
        """Write plan.json."""
        _write(self.folder / "plan.json", facts)

    def saved_plan(self) -> dict[str, Any]:
        """Contents of plan.json; FileNotFoundError where there is no run."""
        path = self.folder / "plan.json"
        if not path.exists():
            raise FileNotFoundError(f"resume: {self.folder} holds no run (no plan.json)")
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return saved


def _write(path: Path, value: Any) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
