"""A third hash of each secret (RFC 8760); extensions get theirs when their secret is set the next time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="extension",
            name="ha1_sha512_256",
            field=models.CharField(blank=True, editable=False, max_length=64),
        )
    ]
