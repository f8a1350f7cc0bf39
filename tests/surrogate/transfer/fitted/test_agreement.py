import torch
from torch import Tensor

from at2.surrogate.transfer.fitted.agreement import agreement, consensus, consensus_of_others, shares, trust

N_CONFIG = 64


def sources(*, alike: int, odd: int = 0, noise: float = 0.5, seed: int = 0) -> Tensor:
    """Some sources that agree, and others that are noise, ``(n_source, n_config, 3)``."""
    generator = torch.Generator().manual_seed(seed)

    def normal(n: int) -> Tensor:
        return torch.randn(n, N_CONFIG, 3, generator=generator, dtype=torch.float64)

    return torch.cat([normal(1) + noise * normal(alike), normal(odd)])


def test_sources_that_agree_count_alike() -> None:
    found = shares(sources(alike=4, noise=0.1))
    torch.testing.assert_close(found, torch.full_like(found, 0.25), atol=0.005, rtol=0.0)


def test_a_source_that_agrees_with_none_counts_little_and_changes_the_consensus_little() -> None:
    curves = sources(alike=4, odd=1)
    found = shares(curves)
    assert float(found[-1]) < 0.1 < 0.2 < float(found[:-1].min())
    without, mean = consensus(curves[:-1]), curves.mean(0)
    assert float((consensus(curves) - without).norm()) < 0.5 * float((mean - without).norm())


def test_a_source_that_contradicts_the_others_counts_no_less_than_noise_and_never_negatively() -> None:
    curves = sources(alike=4)
    found = shares(torch.cat([curves, -curves[:1]]))
    assert 0.0 < float(found[-1]) < 0.1


def test_one_two_and_none_that_agree_count_alike() -> None:
    assert shares(sources(alike=1)).tolist() == [1.0]
    torch.testing.assert_close(shares(sources(alike=1, odd=1)), torch.full((2,), 0.5, dtype=torch.float64))
    lost = shares(-torch.eye(5, N_CONFIG, dtype=torch.float64)[:, :, None])  # every pair is correlated a little below 0
    torch.testing.assert_close(lost, torch.full_like(lost, 0.2))


def test_correlations_by_chance_weigh_nothing() -> None:
    noise = [shares(sources(alike=0, odd=4, seed=seed)) for seed in range(20)]
    alike = [float((found - 0.25).abs().max()) < 1e-9 for found in noise]
    assert sum(alike) >= 15
    assert max(float(found.max()) for found in noise) < 0.4


def test_what_others_say_of_a_source_does_not_depend_on_its_own_values() -> None:
    curves = sources(alike=3, odd=1)
    changed = curves.clone()
    changed[0] = -changed[0]
    expected = consensus_of_others(curves)
    torch.testing.assert_close(expected[0], consensus(curves[1:]))
    torch.testing.assert_close(consensus_of_others(changed)[0], expected[0])


def test_agreement_is_the_mean_over_pairs() -> None:
    curves = sources(alike=2, odd=1)
    pairs = [float(torch.corrcoef(curves[[i, j], :, -1])[0, 1]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert abs(agreement(curves) - sum(pairs) / 3) < 1e-12


def test_what_completion_put_in_everywhere_is_no_agreement() -> None:
    common = torch.randn(1, 50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    curves = 0.4 * common.expand(3, 50, 1)  # drawn towards the mean, since little is known
    assert agreement(curves) > 0.99
    little, much = torch.full((3, 50), 0.02).double(), torch.full((3, 50), 2.0).double()
    assert trust(curves, little) == 1.0
    assert 0.0 < trust(curves, much) < 0.5
    assert trust(curves, 0.0 * much) == trust(curves) == 1.0
