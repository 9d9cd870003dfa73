import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_broker_accounts'),
        ('bots', '0014_bots_at_brokers'),
    ]

    operations = [
        migrations.CreateModel(
            name='CashCheckpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=12)),
                ('execution', models.PositiveBigIntegerField()),
                ('flow', models.PositiveBigIntegerField()),
                ('total', models.CharField(blank=True, max_length=64)),
                ('made_at', models.DateTimeField(auto_now=True)),
                ('broker_account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='cash_checkpoint', to='accounts.brokeraccount')),
            ],
            options={
                'db_table': 'cash_checkpoints',
            },
        ),
        migrations.AddIndex(
            model_name='brokerexecution',
            index=models.Index(fields=['broker_account', 'id'], name='broker_execution_newest'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['broker_account', 'state'], name='order_account_state'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['broker_account', 'broker_order_id'], name='order_account_venue_id'),
        ),
    ]
