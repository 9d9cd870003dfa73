from django.urls import path

from accounts.api import auth, brokers, notifications, risk

app_name = "accounts-api"
urlpatterns = [
    path("auth/register", auth.Register.as_view(), name="register"),
    path("auth/token", auth.Token.as_view(), name="token"),
    path("auth/token/refresh", auth.Refresh.as_view(), name="refresh"),
    path("auth/logout", auth.Logout.as_view(), name="logout"),
    path("auth/me", auth.Me.as_view(), name="me"),
    path("auth/password", auth.Password.as_view(), name="password"),
    path("auth/tiers", auth.Tiers.as_view(), name="tiers"),
    path("risk/envelope", risk.Envelope.as_view(), name="risk-envelope"),
    path("risk/kill-switch", risk.KillSwitch.as_view(), name="kill-switch"),
    path("broker-accounts", brokers.BrokerAccounts.as_view(), name="broker-accounts"),
    path("broker-accounts/practice", brokers.Practice.as_view(), name="broker-account-practice"),
    path("broker-accounts/<int:account_id>", brokers.OneBrokerAccount.as_view(), name="broker-account"),
    path("broker-accounts/<int:account_id>/check", brokers.Check.as_view(), name="broker-account-check"),
    path("notifications", notifications.Notifications.as_view(), name="notifications"),
    path("notifications/read-all", notifications.ReadAll.as_view(), name="notifications-read-all"),
    path("notifications/<int:notification_id>/read", notifications.Read.as_view(), name="notification-read"),
    path("notifications/channels", notifications.Channels.as_view(), name="channels"),
    path("notifications/channels/<slug:kind>", notifications.Channel.as_view(), name="channel"),
    path("notifications/channels/<slug:kind>/test", notifications.TryChannel.as_view(), name="channel-test"),
]
