import pytest

from textsem.runs.devices import check_device


@pytest.mark.parametrize("name", [None, "cpu"])
def test_usable_device_passes(name: str | None) -> None:
    check_device(name)


@pytest.mark.parametrize("name", ["nonsense", "cuda:99", "", "cpu:x"])
def test_device_that_torch_cannot_use_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"expected a device that torch can use here, such as cpu, got '{name}': "):
        check_device(name)
