"""What to try next: ask which epoch to train, tell what it gave, and get a recommendation at any time."""

from at2.recommend.acquisition.finish import FinishIncumbent
from at2.recommend.acquisition.knowledge_gradient import Acquisition, Choice, ExpectedBest, KnowledgeGradient
from at2.recommend.budget import Budget
from at2.recommend.journal.ledger import SearchState, Told
from at2.recommend.journal.lines import Journal
from at2.recommend.problem.candidates import SampledCandidates
from at2.recommend.problem.problem import Problem, build_problem
from at2.recommend.problem.report import HistoryReport
from at2.recommend.protocol import Tuner
from at2.recommend.query import ConfigId, Query, Recommendation
from at2.recommend.recommender import Recommender
from at2.recommend.stopping import StoppingRule

__all__ = [
    "Acquisition",
    "Budget",
    "Choice",
    "ConfigId",
    "ExpectedBest",
    "FinishIncumbent",
    "HistoryReport",
    "Journal",
    "KnowledgeGradient",
    "Problem",
    "Query",
    "Recommendation",
    "Recommender",
    "SampledCandidates",
    "SearchState",
    "StoppingRule",
    "Told",
    "Tuner",
    "build_problem",
]
