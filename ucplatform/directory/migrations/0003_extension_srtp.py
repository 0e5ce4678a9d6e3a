"""How an extension's telephones are spoken to (RFC 4568); in the clear, as before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directory", "0002_extension_ha1_sha512_256")]

    operations = [
        migrations.AddField(
            model_name="extension",
            name="srtp",
            field=models.CharField(
                choices=[
                    ("off", "not offered"),
                    ("preferred", "where the telephone takes it"),
                    ("required", "required"),
                ],
                default="off",
                help_text=(
                    "SRTP with keys in the call's description (SDES). "
                    "Use TLS, or the keys can be read on the way."
                ),
                max_length=10,
                verbose_name="encrypted sound of telephones",
            ),
        )
    ]
