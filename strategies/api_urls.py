from django.urls import URLPattern

app_name = "strategies-api"
urlpatterns: list[URLPattern] = []
