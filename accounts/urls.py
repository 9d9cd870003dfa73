from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-up/", views.SignUp.as_view(), name="signup"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("logout-everywhere/", views.LogoutEverywhere.as_view(), name="logout_everywhere"),
    path("settings/", views.Settings.as_view(), name="settings"),
    path("password/", views.Password.as_view(), name="password"),
]
