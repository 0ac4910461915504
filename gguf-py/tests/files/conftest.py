"""What the tests compare with. ctest sets QL_TEST_LIB and QL_TEST_BIN (this project's library and programs) and
QL_TEST_MODEL (SmolLM2-135M-Instruct, Q4_1); what is not there is skipped, by name."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the source tree, not an installed package
from support import Library, from_environment  # noqa: E402

hypothesis.settings.register_profile("ql", deadline=None, derandomize=True, max_examples=150, database=None,
                                     suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
hypothesis.settings.load_profile("ql")


@pytest.fixture(scope="session")
def library() -> Library:
    return Library(from_environment("QL_TEST_LIB"))


@pytest.fixture(scope="session")
def model() -> Path:
    return from_environment("QL_TEST_MODEL")


@pytest.fixture(scope="session")
def program():
    """Runs one of the built programs; its standard output."""
    folder = from_environment("QL_TEST_BIN")

    def run(name: str, *arguments: object) -> str:
        done = subprocess.run([folder / name, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
