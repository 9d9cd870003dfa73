"""Ready-made bots: plain data, each one a whole configuration with honest words beside it.

`register` adds one, `get` and `all` read them. What a template configures is checked where a bot is made of it, like
any other request; a test checks that each shipped one passes.
"""

from bots.templates_of_bots import shipped  # noqa: F401  (importing registers)
from bots.templates_of_bots.declared import PREFIX, RISKS, Template, all, get, register

__all__ = ["PREFIX", "RISKS", "Template", "all", "get", "register"]
