"""tox plug-in: environments with `runner = shared` and one `env_dir` share that virtual environment.

tox rebuilds an environment whose recorded name is not the one that runs. The library stack takes 3 GB and
minutes to install, so here the name is left out of the record; everything else still triggers a rebuild.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class _NamelessInfo(Info):
    def compare(
        self, value: Any, section: str, sub_section: str | None = None
    ) -> AbstractContextManager[tuple[bool, Any | None]]:
        if section == "ToxEnv":
            value = {**value, "name": "shared"}
        return super().compare(value, section, sub_section)


class SharedRunner(VirtualEnvRunner):
    """A virtual environment that several tox environments use in turn."""

    @staticmethod
    def id() -> str:
        """Name for `runner =`."""
        return "shared"

    @property
    def cache(self) -> Info:
        """The record of the last set-up, without the environment's name."""
        return _NamelessInfo(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Offer the runner."""
    register.add_run_env(SharedRunner)
