"""Several strategies as one: members that vote, a confidence that is theirs combined, validators that may refuse.

`strategy.Ensemble` is the strategy; `members` and `validators` its two structured parameters, `voting` and
`calibration` the arithmetic on arrays, `words` how people read it. docs/ensembles.md says how it decides. Plain Python
and NumPy.
"""

from strategies.ensemble.members import LEAST_MEMBERS, MOST_DEPTH, MOST_MEMBERS, MOST_MEMBERS_IN_ALL
from strategies.ensemble.strategy import Ensemble
from strategies.ensemble.words import sentences

__all__ = ["LEAST_MEMBERS", "MOST_DEPTH", "MOST_MEMBERS", "MOST_MEMBERS_IN_ALL", "Ensemble", "sentences"]
