"""What every tuner must do, whatever happens inside: the order of ask, tell and recommend."""

from abc import ABC, abstractmethod

from at2.recommend import Query, Recommendation, Tuner

BUDGET = 12


class TunerContract(ABC):
    """Inherit, say how to make a tuner with a budget of `BUDGET` epochs, and the rest is tested."""

    @abstractmethod
    def make(self) -> Tuner:
        """A fresh tuner; every call gives an equal one."""

    def measure(self, query: Query) -> float:
        """What a training would give: any number that depends on the query only."""
        return sum(str(query.config_id).encode()) % 7 / 7 - 1.0 / query.epoch

    def play(self, tuner: Tuner) -> list[tuple[object, int]]:
        """Ask and tell until the tuner has enough."""
        asked = []
        while (query := tuner.ask()) is not None:
            asked.append((query.config_id, query.epoch))
            tuner.tell(query, self.measure(query))
            assert len(asked) <= BUDGET
        return asked

    def test_is_a_tuner(self) -> None:
        assert isinstance(self.make(), Tuner)

    def test_spends_no_more_than_its_budget_and_then_stays_silent(self) -> None:
        tuner = self.make()
        self.play(tuner)
        assert tuner.ask() is None

    def test_numbers_its_queries_and_goes_epoch_by_epoch(self) -> None:
        tuner = self.make()
        done: dict[object, int] = {}
        number = 0
        while (query := tuner.ask()) is not None:
            assert query.number == number
            assert query.epoch == done.get(query.config_id, 0) + 1
            assert query.from_epoch == query.epoch - 1
            done[query.config_id] = query.epoch
            number += 1
            tuner.tell(query, self.measure(query))

    def test_two_equal_tuners_ask_the_same(self) -> None:
        assert self.play(self.make()) == self.play(self.make())

    def test_recommends_at_any_time(self) -> None:
        tuner = self.make()
        assert isinstance(tuner.recommend(), Recommendation)
        query = tuner.ask()
        assert query is not None
        assert isinstance(tuner.recommend(), Recommendation)
        tuner.tell(query, self.measure(query))
        assert isinstance(tuner.recommend(), Recommendation)

    def test_recommending_changes_nothing(self) -> None:
        quiet, talkative = self.make(), self.make()
        for _ in range(5):
            talkative.recommend()
            one, two = quiet.ask(), talkative.ask()
            assert one == two
            if one is None or two is None:
                break
            quiet.tell(one, self.measure(one))
            talkative.tell(two, self.measure(two))

    def test_goes_on_after_a_failure(self) -> None:
        tuner = self.make()
        query = tuner.ask()
        assert query is not None
        tuner.tell(query, failed=True)
        later = []
        while (following := tuner.ask()) is not None:
            later.append(following.config_id)
            tuner.tell(following, self.measure(following))
        assert query.config_id not in later
        assert tuner.recommend().config_id != query.config_id
