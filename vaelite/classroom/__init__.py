"""For courses: checks of students' answers, and the ELBO's identities as theorems."""

from .checker import check
from .predictions import reveal
from .right_answers import mine_if_right
from .verdict import Verdict

__all__ = ["Verdict", "check", "mine_if_right", "reveal"]
