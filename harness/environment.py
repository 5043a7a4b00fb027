"""What a run was made on: versions, processor, threads. No host name and no path."""

from __future__ import annotations

import os
import platform as _platform
import re
import sys
from pathlib import Path
from typing import Any

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.rows import SCHEMA_VERSION, schema

#: x86-64 micro-architecture levels and the flags, as the kernel names them, that each adds.
_LEVELS = (
    ("v2", {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    ("v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"}),
    ("v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
_VENDORS = {"AuthenticAMD": "amd", "GenuineIntel": "intel"}


def processor() -> dict[str, Any]:
    """Model, vendor, cores, cache size and flags of the CPU, as far as the system tells."""
    facts: dict[str, Any] = {"model": _platform.processor() or "unknown", "vendor": "", "flags": []}
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "model name":
            facts["model"] = value
        elif name == "vendor_id":
            facts["vendor"] = _VENDORS.get(value, value.lower())
        elif name == "cache size":
            facts["cache"] = value
        elif name == "flags":
            facts["flags"] = sorted(value.split())
    facts["cores"] = cores()
    return facts


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def platform_name() -> str:
    """`os-arch-level-vendor`, such as linux-x86_64-v3-amd: what baselines are keyed by.

    The vendor belongs to it because vendor libraries choose other code on another vendor's processor.
    """
    facts = processor()
    machine = _platform.machine().lower()
    parts = [sys.platform, "x86_64" if machine == "amd64" else machine]
    if parts[1] == "x86_64":
        level, flags = "v1", set(facts["flags"])
        for name, needed in _LEVELS:
            if not needed <= flags:
                break
            level = name
        parts.append(level)
    return "-".join([*parts, facts["vendor"]] if facts["vendor"] else parts)


def describe(run_id: str, started: str) -> dict[str, Any]:
    """The contents of env.json, before the workers add what they found."""
    found = {}
    for name in libraries():
        adapter = adapter_of(name)
        away = adapter.installed()
        found[name] = {"version": "" if away else adapter.version(), "status": away or "available"}
    return {
        "schema_version": SCHEMA_VERSION,
        "schema": schema(),
        "run_id": run_id,
        "started": started,
        "platform": platform_name(),
        "cpu": processor(),
        "threads": cores(),
        "python": _platform.python_version(),
        "libraries": found,
        "devices": {},
        "pools": {},
        "variables": {
            name: re.sub(r"=\S*[/\\]\S*", "=...", os.environ[name])  # an option may name a folder
            for name in ("OMP_NUM_THREADS", "XLA_FLAGS")
            if name in os.environ
        },
    }
