from django.urls import URLPattern

app_name = "marketdata-api"
urlpatterns: list[URLPattern] = []
