"""For courses: checks of students' answers, and the ELBO's identities as theorems."""

from .checker import check
from .mine import mine_if_right
from .predictions import reveal
from .verdict import Verdict

__all__ = ["Verdict", "check", "mine_if_right", "reveal"]
