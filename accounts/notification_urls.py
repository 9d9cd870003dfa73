from django.urls import path

from accounts.views import notifications

app_name = "notifications"
urlpatterns = [
    path("", notifications.inbox, name="list"),
    path("read-all/", notifications.read_all, name="read-all"),
    path("<int:notification_id>/read/", notifications.read, name="read"),
]
