"""Writes: what a user does with strategies. Pages, API and the apps above call these and nothing below them.

Every function takes the acting user and touches only that user's rows; other ids raise `NotFound`.
`saved`: catalogue entries with parameters, whose functions are also here. `custom`: strategies made of conditions.
"""

from strategies.services.naming import DESCRIPTION_LENGTH, NAME_LENGTH
from strategies.services.saved import CHANGEABLE, copy, create, remove, update

__all__ = ["CHANGEABLE", "DESCRIPTION_LENGTH", "NAME_LENGTH", "copy", "create", "remove", "update"]
