from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def script(request: pytest.FixtureRequest) -> ModuleType:
    """Load the script that the test's module names as ``SCRIPT``, as a module of its own."""
    path: Path = request.module.SCRIPT
    spec = spec_from_file_location(f"{path.stem}_script", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
