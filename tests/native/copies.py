"""Copies of `lossbench.native` with one text replaced."""

import importlib.abc
import importlib.util
from pathlib import Path
from typing import NamedTuple

import lossbench.native

SOURCES = Path(lossbench.native.__file__).parent
PACKAGE = "native_copy"


class Change(NamedTuple):
    """A text of a module, which must be there once, and what stands for it; added: code for the module's end."""

    module: str
    old: str
    new: str
    added: str = ""


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the package a second time, under another name, with one module changed, or as it is for None."""

    def __init__(self, change):
        self.change = change

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] != PACKAGE:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname == PACKAGE)

    def exec_module(self, module):
        stem = module.__name__.partition(".")[2] or "__init__"
        path = SOURCES / f"{stem}.py"
        text = path.read_text(encoding="utf-8")
        if self.change is not None and stem == self.change.module:
            assert text.count(self.change.old) == 1, f"{stem}: the text to replace is not there once"
            text = text.replace(self.change.old, self.change.new) + self.change.added
        module.__file__ = str(path)
        exec(compile(text.replace("cache=True", "cache=False"), str(path), "exec"), module.__dict__)
