"""The device that a user names, tried before anything that takes long."""

__all__ = ["check_device"]


def check_device(name: str | None) -> None:
    """Try a device by putting nothing on it.

    Raises:
        ValueError: If torch does not know the device, or cannot use it here.
    """
    if name is None:
        return
    import torch

    try:
        torch.empty(0, device=name)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        usable = ["cpu", *([str(torch.accelerator.current_accelerator())] if torch.accelerator.is_available() else [])]
        raise ValueError(
            f"expected a device that torch can use here, such as {' or '.join(usable)}, got {name!r}: "
            f"{str(error).partition('. ')[0]}"
        ) from error
