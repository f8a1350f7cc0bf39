"""Why a recommender answers as it does."""
