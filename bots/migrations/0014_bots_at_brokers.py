import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_broker_accounts'),
        ('bots', '0013_orders_sent_together'),
    ]

    operations = [
        migrations.AddField(
            model_name='bot',
            name='broker_account',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='bots', to='accounts.brokeraccount'),
        ),
        migrations.AddField(
            model_name='bot',
            name='mode',
            field=models.CharField(choices=[('PAPER', 'Paper'), ('LIVE', 'Live')], default='PAPER', max_length=5),
        ),
        migrations.AddConstraint(
            model_name='bot',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('broker_account__isnull', True), ('mode', 'PAPER')), models.Q(('broker_account__isnull', False), ('mode', 'LIVE')), _connector='OR'), name='bot_live_has_an_account'),
        ),
    ]
