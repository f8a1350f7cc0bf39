from at2.recommend import Budget, Problem
from at2.rivals.random_search import RandomSearch


def _play(tuner: RandomSearch) -> list[tuple[object, int]]:
    seen = []
    while (query := tuner.ask()) is not None:
        seen.append((query.config_id, query.epoch))
        tuner.tell(query, 1.0)
    return seen


def test_each_configuration_is_trained_to_its_end_in_a_seeded_order(problem: Problem) -> None:
    one, two, other = (_play(RandomSearch(problem, budget=Budget(epochs=99), seed=seed)) for seed in (3, 3, 4))
    assert one == two != other
    assert [epoch for _, epoch in one] == [1, 2, 3, 4, 5] * 9
    assert sorted({config for config, _ in one}, key=str) == list(range(9))


def test_before_anything_was_seen_it_recommends_what_it_starts_with(problem: Problem) -> None:
    tuner = RandomSearch(problem, budget=Budget(epochs=5), seed=0)
    first = tuner.recommend()
    query = tuner.ask()
    assert query is not None
    assert first.config_id == query.config_id
    assert first.mean != first.mean  # not a number
