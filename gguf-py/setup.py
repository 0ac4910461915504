"""A wheel that carries the shared library: QL_WHEEL_LIBRARY=build/release/lib pip wheel ./gguf-py. Without the variable
the wheel is Python alone, for every machine; pyproject.toml has all the rest."""
import os
import pathlib
import shutil

import setuptools
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

FOLDER = os.environ.get("QL_WHEEL_LIBRARY")
NAMES = ("libql.so", "libql-models.so")


def carried():
    """File in the wheel -> file that it is. A wheel holds no links: libraries go under the names that the loader looks for."""
    if not FOLDER:
        return {}
    folder, files = pathlib.Path(FOLDER).resolve(), {}
    for name in NAMES:
        found = sorted(folder.glob(f"{name}.[0-9]"))
        if not found:
            raise SystemExit(f"$QL_WHEEL_LIBRARY: {folder} has no {name}.N")
        files[found[-1].name] = found[-1]
    backends = [*folder.glob("libql-backend-*.so"), *folder.glob("ql/libql-backend-*.so")]
    return {**files, **{b.name: b for b in backends}}


class Build(build_py):
    def run(self):
        super().run()
        native = pathlib.Path(self.build_lib, "qlora_gguf", "lib", "native")
        shutil.rmtree(native, ignore_errors=True)  # of an earlier build
        for name, file in carried().items():
            native.mkdir(exist_ok=True)
            shutil.copyfile(file, native / name)


class Distribution(setuptools.Distribution):
    def has_ext_modules(self):  # for one kind of machine
        return bool(FOLDER)


class Wheel(bdist_wheel):
    def get_tag(self):
        return ("py3", "none", super().get_tag()[2]) if FOLDER else super().get_tag()


setuptools.setup(distclass=Distribution, cmdclass={"build_py": Build, "bdist_wheel": Wheel})
