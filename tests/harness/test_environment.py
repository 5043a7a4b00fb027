"""What a run was made on: enough to compare runs by, and nothing that names the machine or a place on it."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import pytest

from lossbench.harness import environment
from lossbench.harness.adapters import LIBRARIES
from lossbench.harness.rows import SCHEMA_VERSION, schema

HOST = "host-of-this-test-17"
V2 = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"

CPUINFO = """processor\t: 0
vendor_id\t: {vendor}
model name\t: A Processor @ 2.0GHz
cache size\t: 512 KB
flags\t\t: fpu {flags}

processor\t: 1
vendor_id\t: SecondOfItsKind
flags\t\t: none
"""
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n\nprocessor\t: 1\n"


@pytest.fixture
def machine(monkeypatch):
    """Pretend another machine: (text of /proc/cpuinfo or None, architecture, operating system)."""

    def pretend(text, architecture="x86_64", system="linux"):
        def read_text(path, encoding=None):
            assert str(path) == "/proc/cpuinfo"
            if text is None:
                raise FileNotFoundError(path)
            return text

        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(environment._platform, "machine", lambda: architecture)
        monkeypatch.setattr(environment._platform, "processor", lambda: "")
        monkeypatch.setattr(environment.sys, "platform", system)

    return pretend


def x86(flags, vendor="AuthenticAMD"):
    return CPUINFO.format(flags=flags, vendor=vendor)


@pytest.mark.parametrize(
    ("text", "architecture", "system", "name"),
    [
        pytest.param(x86(""), "x86_64", "linux", "linux-x86_64-v1-amd", id="v1"),
        pytest.param(x86(V2), "x86_64", "linux", "linux-x86_64-v2-amd", id="v2"),
        pytest.param(x86(V3), "x86_64", "linux", "linux-x86_64-v3-amd", id="v3"),
        pytest.param(x86(V4), "x86_64", "linux", "linux-x86_64-v4-amd", id="v4"),
        pytest.param(x86(V4.replace("bmi2 ", "")), "x86_64", "linux", "linux-x86_64-v2-amd", id="a level is whole"),
        pytest.param(x86(V3, "GenuineIntel"), "x86_64", "linux", "linux-x86_64-v3-intel", id="intel"),
        pytest.param(x86(V3, "CentaurHauls"), "x86_64", "linux", "linux-x86_64-v3-centaurhauls", id="other vendor"),
        pytest.param(ARM, "aarch64", "linux", "linux-aarch64", id="arm"),
        pytest.param(None, "arm64", "darwin", "darwin-arm64", id="no cpuinfo"),
        pytest.param(None, "AMD64", "win32", "win32-x86_64-v1", id="windows"),
    ],
)
def test_platform_name(machine, text, architecture, system, name):
    machine(text, architecture, system)
    assert environment.platform_name() == name


def test_processor_is_the_first(machine):
    machine(x86(V2))
    facts = environment.processor()
    assert facts["model"] == "A Processor @ 2.0GHz"
    assert (facts["vendor"], facts["cache"]) == ("amd", "512 KB")
    assert facts["flags"] == sorted(["fpu", *V2.split()])
    assert facts["cores"] >= 1


def test_processor_that_tells_nothing(machine):
    machine(None)
    assert environment.processor() == {"model": "unknown", "vendor": "", "flags": [], "cores": environment.cores()}


def test_cores_are_those_of_this_process():
    assert 1 <= environment.cores() <= (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def described():
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((socket, "gethostname"), (environment._platform, "node")):
            patch.setattr(module, name, lambda: HOST)
        patch.setenv("XLA_FLAGS", "--xla_cpu_use_thunk_runtime=false --xla_dump_to=/somewhere/below")
        patch.setenv("OMP_NUM_THREADS", "3")
        patch.setenv("HOSTNAME", HOST)
        return environment.describe("run-1", "2026-01-01T00:00:00+00:00")


def strings(value):
    """Every string in a nested value, keys too."""
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in strings(part)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_it_names_no_host(described):
    names = {HOST, socket.gethostname()} - {"localhost"}
    found = strings({name: value for name, value in described.items() if name != "schema"})
    assert not [text for text in found for name in names if re.search(rf"\b{re.escape(name)}\b", text)]


def test_it_names_no_place(described):
    home = str(Path.home())
    for text in strings(described):
        assert not re.search(r"(^|[\s=:\"'])[/~][\w.]+", text), text
        assert len(home) < 3 or home not in text


def test_it_says_what_results_depend_on(described):
    assert described["schema_version"] == SCHEMA_VERSION
    assert described["schema"] == schema()
    assert (described["run_id"], described["started"]) == ("run-1", "2026-01-01T00:00:00+00:00")
    assert described["platform"] == environment.platform_name()
    assert described["threads"] == described["cpu"]["cores"] == environment.cores()
    assert described["variables"]["OMP_NUM_THREADS"] == "3"
    assert "--xla_cpu_use_thunk_runtime=false" in described["variables"]["XLA_FLAGS"]
    assert described["devices"] == {}


def test_every_library_is_there_with_version_or_reason(described):
    assert set(LIBRARIES) <= set(described["libraries"])
    for facts in described["libraries"].values():
        assert bool(facts["version"]) == (facts["status"] == "available")


def test_it_can_be_written_as_json(described):
    assert json.loads(json.dumps(described)) == described
