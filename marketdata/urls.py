from django.urls import URLPattern

app_name = "marketdata"
urlpatterns: list[URLPattern] = []
