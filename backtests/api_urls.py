from django.urls import URLPattern

app_name = "backtests-api"
urlpatterns: list[URLPattern] = []
