from django.urls import path

from accounts.views import account, confirm, notifications

app_name = "accounts"
urlpatterns = [
    path("sign-up/", account.SignUp.as_view(), name="signup"),
    path("login/", account.Login.as_view(), name="login"),
    path("logout/", account.Logout.as_view(), name="logout"),
    path("logout-everywhere/", account.LogoutEverywhere.as_view(), name="logout_everywhere"),
    path("settings/", account.Settings.as_view(), name="settings"),
    path("settings/channels/<slug:kind>/", notifications.SaveChannel.as_view(), name="channel"),
    path("settings/channels/<slug:kind>/test/", notifications.TryChannel.as_view(), name="channel-test"),
    path("settings/channels/<slug:kind>/remove/", notifications.RemoveChannel.as_view(), name="channel-remove"),
    path("confirm/", confirm.Confirm.as_view(), name="confirm"),
    path("password/", account.Password.as_view(), name="password"),
]
