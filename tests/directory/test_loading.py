"""A file of extensions is checked whole and written whole; the commands say what was wrong, line by line."""

import io
import time

import pytest
from django.core.management import CommandError, call_command

from ucplatform.directory import loading
from ucplatform.directory.models import Extension, User

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("extension", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def load(tmp_path, redis):
    def load_text(text: str, encoding: str = "utf-8") -> str:
        path = tmp_path / "extensions.csv"
        path.write_bytes(text.encode(encoding))
        return run("load", str(path))

    return load_text


def test_all_columns(load):
    load("number,name,secret,username,password,pin\n201,Ana Luísa,s1,ana,pass-ana-1,1234\n202,Desk,s2,,,\n")
    ana, desk = Extension.objects.order_by("number")
    assert (ana.name, ana.user.username, ana.user.name) == ("Ana Luísa", "ana", "Ana Luísa")
    assert ana.user.check_password("pass-ana-1")
    assert ana.pin_hash
    assert desk.user is None and desk.ha1_md5 and not desk.pin_hash


@pytest.mark.parametrize(
    "text",
    ["secret;number\ns1;201\n", "\ufeffnumber,secret\r\n201,s1\r\n", "Number, Secret\n 201 , s1 \n"],
    ids=["semicolons and order", "byte order mark and CRLF", "spaces and capitals"],
)
def test_what_spreadsheets_write(load, text):
    load(text)
    assert Extension.objects.get().ha1_md5


def test_loading_again_changes_what_is_given_and_keeps_the_rest(load):
    load("number,name,secret\n201,Ana,s1\n")
    before = Extension.objects.get()
    assert "0 extensions added, 1 changed" in load("number,name,secret\n201,Ana L.,\n")
    after = Extension.objects.get()
    assert (after.name, after.ha1_md5) == ("Ana L.", before.ha1_md5)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("20x,,s,,,", "Line 3: '20x' is not a number"),
        ("201,,s,,,", "number 201 stands in the file 2 times"),
        ("202,,s,,secretpass,", "Line 3: a password needs a username"),
        ("202,,s,new,,", "Line 3: username new is new and needs a password"),
        ("202,,s,no spaces,pass-1,", "Line 3: username 'no spaces'"),
        ("202,,s,,,12", "Line 3: a PIN has four to twelve digits"),
        ("202,,s,,,,extra", "Line 3: more cells than columns"),
        ("202,bell\x07,s,,,", "Line 3: name holds a control character"),
        (f"202,{'n' * 81},s,,,", "Line 3: name is longer than 80 characters"),
    ],
)
def test_one_bad_row_is_named_and_nothing_is_written(load, row, sentence):
    with pytest.raises(CommandError) as refusal:
        load(f"number,name,secret,username,password,pin\n201,Good,s,,,\n{row}\n")
    assert sentence in str(refusal.value)
    assert not Extension.objects.exists() and not User.objects.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must name the columns"),
        ("201,Ana\n", "must name the columns"),
        ("number,colour\n201,red\n", "unknown column 'colour'"),
    ],
)
def test_a_header_that_does_not_fit(load, text, sentence):
    with pytest.raises(CommandError, match=sentence):
        load(text)


def test_a_file_that_is_not_text(load):
    with pytest.raises(CommandError, match="cannot be read"):
        load("number\n201\nJosé\n", encoding="utf-16")


def test_a_user_keeps_one_extension(load, alice):
    with pytest.raises(CommandError, match="username alice has the extension 201 already"):
        load("number,username\n300,alice\n")


def test_a_thousand_rows_cost_seconds(load, redis):
    rows = [f"{1000 + n},Name {n},secret-{n},user{n},password-{n}," for n in range(1000)]
    began = time.process_time()
    load("number,name,secret,username,password,pin\n" + "\n".join(rows) + "\n")
    assert Extension.objects.count() == 1000
    assert time.process_time() - began < 30  # seconds of CPU, nearly all in the passwords' hash


def test_progress_counts_to_the_end(redis):
    steps = []
    rows = [loading.Row(n, str(200 + n), username=f"u{n}", password="a-password") for n in range(3)]
    loading.load(rows, lambda *step: steps.append(step))
    assert [step for step in steps if step[0] == "passwords"][-1] == ("passwords", 3, 3)
    assert steps[-1] == ("extensions", 3, 3)


def test_add_makes_a_secret_up_and_shows_it_once(redis):
    said = run("add", "201", "--name", "Desk")
    secret = said.rsplit("secret ", 1)[1].strip()
    extension = Extension.objects.get()
    assert len(secret) >= 12
    hashes = loading.actions.hash_secret("201", secret)
    assert {column: getattr(extension, column) for column in hashes} == hashes


def test_add_list_remove(redis):
    run("add", "201", "--secret", "s", "--username", "ana", "--password", "pass-ana-1", "--pin", "1234")
    assert run("list") == "201\t-\tana\tphone,pin\n"
    run("remove", "201")
    assert run("list") == ""
    assert User.objects.filter(username="ana").exists()


@pytest.mark.parametrize(
    "arguments", [("add", "201"), ("remove", "299"), ("add", "2O1"), ("add", "202", "--pin", "1")]
)
def test_what_cannot_be_done_is_a_sentence_and_an_error(redis, arguments):
    run("add", "201")
    with pytest.raises(CommandError):
        run(*arguments)
    assert Extension.objects.count() == 1
