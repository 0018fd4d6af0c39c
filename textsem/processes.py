"""Which of several processes this one is, as `accelerate launch` started them; a plain process is the only one.

    accelerate launch --multi_gpu --num_processes 2 scripts/...

starts two, on a machine without GPUs too; with `--cpu` in place of `--multi_gpu` accelerate starts a single one,
whatever the number, unless it is given MPI.  Accelerate is imported where the environment says that there are several
processes, and nowhere else.
"""

import atexit
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Processes"]


@dataclass(frozen=True)
class Processes:
    """One process among ``count`` that run the same program.

    Args:
        rank: This one's number, from 0; number 0 is the main process, which alone writes files and prints.
        count: How many there are.
        device: Where accelerate puts this process's tensors: ``cpu``, ``cuda:0``, ``cuda:1`` and so on.
    """

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @classmethod
    def current(cls) -> "Processes":
        """Return this process among its fellows; the first call under a launcher waits until all have come.

        Raises:
            ValueError: If the environment tells of several processes and accelerate is missing or finds only one.
        """
        announced = os.environ.get("WORLD_SIZE", "1")
        if announced == "1":
            return cls()
        try:
            from accelerate import PartialState
            from accelerate.utils import parse_flag_from_env
        except ImportError as error:
            raise ValueError(f"expected accelerate to be installed for {announced} processes, got none") from error
        import torch

        # Unless told, accelerate takes a machine without accelerator for a single process.
        is_on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
        state = PartialState(cpu=is_on_cpu)
        if str(state.num_processes) != announced:
            raise ValueError(f"expected {announced} processes, as WORLD_SIZE says, got {state.num_processes}")
        # Left to the interpreter's end, the threads that talk to the other processes may abort this one.
        atexit.unregister(_leave)
        atexit.register(_leave)
        device = str(state.device) if state.device.type != "cpu" else "cpu"
        return cls(state.process_index, state.num_processes, device)

    @property
    def is_main(self) -> bool:
        """Tell whether this process writes files and prints."""
        return self.rank == 0

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def share(self, num_rows: int) -> range:
        """Return the rows that are this process's own: neighbours, and as many for each as can be (one more or less).

        >>> [list(Processes(rank, 3).share(7)) for rank in range(3)]
        [[0, 1], [2, 3], [4, 5, 6]]
        """
        return range(num_rows * self.rank // self.count, num_rows * (self.rank + 1) // self.count)

    def place(self, device: str) -> str:
        """Return where this process computes: ``cuda`` means a GPU of its own; any other name stands as it is."""
        return self.device if self.count > 1 and device == self.device.partition(":")[0] else device

    def sum(self, tensor: "Tensor") -> "Tensor":
        """Return the sum of the tensors that the processes bring, the same bytes in each; a lone one's own comes back.

        Every process has to call this, with the same shape and type, and gets an answer once all have.
        """
        if self.count == 1:
            return tensor
        from torch import distributed

        total = tensor.detach().to(self.device, copy=True).contiguous()
        distributed.all_reduce(total)
        return total.to(tensor.device)

    def expect_alone(self, what: str) -> None:
        """Raise a ValueError where several processes would do what only one can, before anything is written twice."""
        if self.count > 1:
            raise ValueError(f"expected one process for {what}, got {self.count}: run it without accelerate launch")


def _leave() -> None:
    """End the talk with the other processes, once all work is done."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
