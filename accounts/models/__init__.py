"""Users and their tiers, logins and tries at passwords; the limits over all their bots; what they are told;
their accounts at brokers; what was done, and by whom."""

from accounts.models.audit import AuditEvent, AuditHead
from accounts.models.brokers import BrokerAccount
from accounts.models.notifications import Delivery, Level, Notification, NotificationChannel
from accounts.models.risk import PlatformSwitch, RiskEnvelope
from accounts.models.users import ApiLogin, Tier, Tries, User, UserManager, check_timezone, default_tier

__all__ = [
    "ApiLogin",
    "AuditEvent",
    "AuditHead",
    "BrokerAccount",
    "Delivery",
    "Level",
    "Notification",
    "NotificationChannel",
    "PlatformSwitch",
    "RiskEnvelope",
    "Tier",
    "Tries",
    "User",
    "UserManager",
    "check_timezone",
    "default_tier",
]
