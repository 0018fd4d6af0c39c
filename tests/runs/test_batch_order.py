import torch

from textsem.runs.batch_order import batch_rows


def test_rows_depend_on_seed_and_step_alone() -> None:
    arguments = [(40, 6, step, seed) for step in (0, 5, 6, 31) for seed in (0, 3)]
    found = [batch_rows(n, size, step=step, seed=seed) for n, size, step, seed in arguments]
    again = [batch_rows(n, size, step=step, seed=seed) for n, size, step, seed in reversed(arguments)]
    assert all(torch.equal(a, b) for a, b in zip(found, reversed(again), strict=True))
    assert len({tuple(rows.tolist()) for rows in found}) == len(found)


def test_epochs_are_permutations() -> None:
    """40 rows in batches of 6: six batches an epoch, four rows wait; of 42 rows none does."""
    for num_rows, left_over in ((40, 4), (42, 0)):
        per_epoch = num_rows // 6
        epochs = [
            torch.cat([batch_rows(num_rows, 6, step=epoch * per_epoch + i, seed=0) for i in range(per_epoch)]).tolist()
            for epoch in range(3)
        ]
        assert all(len(set(epoch)) == len(epoch) == num_rows - left_over for epoch in epochs)
        assert epochs[0] != epochs[1] != epochs[2]
    assert sorted(batch_rows(4, 6, step=9, seed=0).tolist()) == [0, 1, 2, 3]


def test_order_is_the_one_that_runs_saved_before_were_trained_in() -> None:
    """A saved run holds its step, not its order: other rows would come when it is resumed."""
    assert (
        batch_rows(10, 4, step=3, seed=2).tolist()
        == torch.randperm(10, generator=torch.Generator().manual_seed(2 * 1_000_003 + 1))[4:8].tolist()
    )
