from django.urls import path

from accounts import api

app_name = "accounts-api"
urlpatterns = [
    path("register", api.Register.as_view(), name="register"),
    path("token", api.Token.as_view(), name="token"),
    path("token/refresh", api.Refresh.as_view(), name="refresh"),
    path("logout", api.Logout.as_view(), name="logout"),
    path("me", api.Me.as_view(), name="me"),
    path("password", api.Password.as_view(), name="password"),
    path("tiers", api.Tiers.as_view(), name="tiers"),
]
