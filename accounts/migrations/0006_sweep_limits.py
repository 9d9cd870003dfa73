"""How many sweeps at once, and how many combinations in each. An operator edits them afterwards in the admin."""

from django.db import migrations, models

LIMITS = {"FREE": (1, 1_000), "BASIC": (2, 5_000), "PREMIUM": (4, 25_000), "ENTERPRISE": (8, None)}


def fill(apps, schema_editor):
    tiers = apps.get_model("accounts", "Tier").objects
    for code, (sweeps, cells) in LIMITS.items():
        tiers.filter(code=code).update(max_concurrent_sweeps=sweeps, max_sweep_cells=cells)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_broker_accounts")]
    operations = [
        migrations.AddField("tier", "max_concurrent_sweeps", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField(
            "tier",
            "max_sweep_cells",
            models.PositiveIntegerField(blank=True, help_text="Combinations in one sweep", null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
