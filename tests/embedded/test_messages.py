"""The compiler of translations makes files that Python's own gettext reads."""

import gettext
import io
from types import ModuleType

CATALOGUE = r"""
# a comment
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"

#: templates/x.html:3
msgid "Sign in"
msgstr "Entrar"

msgctxt "verb"
msgid "Call"
msgstr "Ligar"

msgctxt "noun"
msgid "Call"
msgstr "Chamada"

#, fuzzy
msgid "Unsure"
msgstr "Incerto"

msgid "Not yet"
msgstr ""

msgid "One \"%d\" call"
msgid_plural "%d "
"calls\n"
msgstr[0] "Uma \"%d\" chamada"
msgstr[1] "%d "
"chamadas\n"
"""


def test_gettext_reads_what_was_compiled(messages: ModuleType) -> None:
    compiled = messages.compile_catalogue(messages.parse(CATALOGUE, "test.po"))
    found = gettext.GNUTranslations(io.BytesIO(compiled))
    assert found.gettext("Sign in") == "Entrar"
    assert found.pgettext("verb", "Call") == "Ligar"
    assert found.pgettext("noun", "Call") == "Chamada"
    assert found.gettext("Unsure") == "Unsure"
    assert found.gettext("Not yet") == "Not yet"
    assert found.ngettext('One "%d" call', "%d calls\n", 1) == 'Uma "%d" chamada'
    assert found.ngettext('One "%d" call', "%d calls\n", 2) == "%d chamadas\n"
