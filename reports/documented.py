"""What libraries document that differs from the contract: one file a library, each entry with its link.

An entry excuses a result only where it says so: the call, the group of questions, the points or conventions.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Documented:
    """One documented behaviour. calls, where: globs of calls, and of conventions, points, laws or questions.

    forms, dtypes: () for any. says: what the library states, shortened. stated: the object whose docstring holds the
    words of `quote`; link: the page that is made of it. A test looks the words up in the installed version.
    """

    calls: tuple[str, ...]
    group: str
    where: tuple[str, ...]
    says: str
    stated: str
    quote: str
    link: str
    forms: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()

    def covers(self, group: str, record: Mapping[str, Any]) -> bool:
        """Whether a record of the group is what this entry documents."""
        return (
            group == self.group
            and (not self.forms or record["form"] in self.forms)
            and (not self.dtypes or record["dtype"] in self.dtypes)
            and any(fnmatchcase(record.get("call") or record["expression"], glob) for glob in self.calls)
            and any(fnmatchcase(record[_PLACE[group]], glob) for glob in self.where)
        )


#: Group -> what a record calls its place in it.
_PLACE = {"conventions": "column", "special": "point", "laws": "law", "formulas": "question"}


@functools.cache
def documented(library: str) -> tuple[Documented, ...]:
    """Entries of a library, () where it has no file."""
    path = resources.files("lossbench.reports") / "documented" / f"{library}.toml"
    if not path.is_file():
        return ()
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["documented"]
    return tuple(_entry(entry) for entry in entries)


def _entry(said: Mapping[str, Any]) -> Documented:
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return Documented(**frozen)


def entry_of(group: str, record: Mapping[str, Any]) -> Documented | None:
    """The entry that documents a record, or None."""
    return next((entry for entry in documented(record["library"]) if entry.covers(group, record)), None)
