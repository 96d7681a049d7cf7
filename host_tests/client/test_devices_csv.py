"""The console's device list."""

from __future__ import annotations

import pytest

from tools.client.devices_csv import Triple, read_devices
from tools.terminal.failures import USAGE, CommandError

A = Triple("a1pk", "sensor01", "secret-of-one")
B = Triple("a1pk", "b.c@d:e-f_2", "x" * 32)


@pytest.mark.parametrize(
    "content",
    [
        "DeviceName,DeviceSecret,ProductKey\nsensor01,secret-of-one,a1pk\nb.c@d:e-f_2,{x},a1pk\n",
        (
            "\ufeffDeviceName,DeviceSecret,ProductKey\r\nsensor01,secret-of-one,a1pk\r\n"
            "b.c@d:e-f_2,{x},a1pk"
        ),
        (
            "\nProductKey, DeviceName ,Status,DeviceSecret\n\na1pk,sensor01,on, secret-of-one\n"
            "a1pk,b.c@d:e-f_2,,{x},more\n,,\n"
        ),
        (
            '"DeviceName","DeviceSecret","ProductKey","Note"\n"sensor01","secret-of-one","a1pk","a\nb"'
            '\n"b.c@d:e-f_2","{x}","a1pk",""\n'
        ),
    ],
)
def test_device_list_in_any_shape_the_console_or_a_person_gives(tmp_path, content):
    path = tmp_path / "devices.csv"
    path.write_bytes(content.replace("{x}", "x" * 32).encode())
    assert read_devices(path) == [A, B]


def test_bad_rows_are_all_listed_with_their_lines_and_without_secrets(tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text(
        "DeviceName,DeviceSecret,ProductKey,Note\n"  # 1
        'sensor01,hidden1,a1pk,"two\nlines"\n'  # 2 and 3
        "abc,hidden2,a1pk,\n"  # 4: the name is too short
        "sensor02,,a1pk,\n"  # 5: no secret
        "sensor03,hidden3\n"  # 6: too few cells
        "sensor01,hidden4,a1pk,\n"  # 7: again
        "sensor04,hid den5,a1pk,\n"  # 8
        f"sensor05,{'hidden' * 6},a1pk,\n"  # 9
        "sensor06,hidden6,a/b,\n"  # 10
    )
    with pytest.raises(CommandError) as caught:
        read_devices(path)
    text = str(caught.value)
    assert caught.value.exit_code == USAGE
    for line in range(4, 11):
        assert f"line {line}: " in text, text
    assert "line 2: " not in text
    assert "on line 2 already" in text
    assert "hid" not in text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "lacks ProductKey, DeviceName, DeviceSecret"),
        (b"DeviceName,ProductKey\nsensor01,a1pk\n", "lacks DeviceSecret"),
        (b"DeviceName,DeviceSecret,ProductKey\n", "no devices"),
        ("DeviceName,DeviceSecret,ProductKey\nü,x,y\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_file_that_is_no_device_list_is_refused_in_words(tmp_path, content, text):
    path = tmp_path / "devices.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=text):
        read_devices(path)


def test_repr_of_a_device_holds_no_secret():
    assert "secret" not in repr(A).replace("device_secret", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_device_list_as_a_spreadsheet_saves_it(tmp_path, encoding, delimiter):
    rows = [
        ("备注", "DeviceName", "ProductKey", "DeviceSecret"),
        ("一号仓库", A.device_name, A.product_key, A.device_secret),
        ("二号，仓库", B.device_name, B.product_key, B.device_secret),
    ]
    path = tmp_path / "devices.csv"
    path.write_bytes("\r\n".join(delimiter.join(row) for row in rows).encode(encoding))
    assert read_devices(path) == [A, B]


@pytest.mark.parametrize("cell", ["8.67E+14", "8,67e+14", "1E+05", "-4E-07"])
def test_cell_that_a_spreadsheet_shortened_is_refused_and_a_secret_not_shown(tmp_path, cell):
    path = tmp_path / "devices.csv"
    path.write_text(
        "DeviceName\tDeviceSecret\tProductKey\n"
        f"{cell}\tsecret-of-one\ta1pk\n"
        f"sensor02\t{cell}\ta1pk\n"
        "sensor03\tsecret-of-three\ta1pk\n"
    )
    with pytest.raises(CommandError) as caught:
        read_devices(path)
    text = str(caught.value)
    assert f"line 2: DeviceName ({cell}) was turned into a number" in text
    assert "line 3: DeviceSecret was turned into a number" in text
    assert "line 4" not in text


def test_name_that_only_looks_like_a_number_is_a_name(tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text("DeviceName,DeviceSecret,ProductKey\n8E12,s,a1pk\n867000111222333,s,a1pk\n")
    assert [one.device_name for one in read_devices(path)] == ["8E12", "867000111222333"]


HEADER = "DeviceName,DeviceSecret,ProductKey\n"
ROW_A = "sensor01,secret-of-one,a1pk\n"


@pytest.mark.parametrize(
    "second",
    [
        HEADER + f"b.c@d:e-f_2,{'x' * 32},a1pk\n",
        "\ufeff" + HEADER + f"b.c@d:e-f_2,{'x' * 32},a1pk\n",
        f"\nProductKey, DeviceName,DeviceSecret\na1pk,b.c@d:e-f_2,{'x' * 32}\n",
        f'"DeviceName","Status","DeviceSecret","ProductKey"\nb.c@d:e-f_2,on,{"x" * 32},a1pk\n',
    ],
)
def test_second_list_behind_the_first_is_read_by_its_own_header(tmp_path, second):
    path = tmp_path / "devices.csv"
    path.write_text(HEADER + ROW_A + second)
    assert read_devices(path) == [A, B]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (HEADER + ROW_A + "DeviceName,DeviceSecret\nx,y\n", "line 3: the header lacks ProductKey"),
        ("DeviceName,DeviceSecret,ProductKey,DeviceName\na,b,c,d\n", "has DeviceName twice"),
        ("DeviceSecret,DeviceName,DeviceSecret,ProductKey\na,b,c,d\n", "has DeviceSecret twice"),
        (HEADER + ROW_A + "ProductKey,ProductKey,DeviceName,DeviceSecret\n", "line 3: .*twice"),
    ],
)
def test_header_that_tells_no_column_for_sure_is_refused(tmp_path, content, text):
    path = tmp_path / "devices.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=text):
        read_devices(path)


def test_device_of_a_columns_name_is_a_device(tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text(HEADER + "DeviceName,s,a1pk\n")
    assert [one.device_name for one in read_devices(path)] == ["DeviceName"]


@pytest.mark.parametrize(
    "content",
    [
        "sep=,\n" + HEADER + ROW_A,
        "\ufeffsep=;\r\n" + (HEADER + ROW_A).replace(",", ";"),
        'SEP=\t\n"' + (HEADER + ROW_A).replace(",", '"\t"').replace("\n", '"\n"').rstrip('"'),
        '"sep=;"\nNote, all;' + HEADER.replace(",", ";") + "x, y;" + ROW_A.replace(",", ";"),
    ],
)
def test_line_that_tells_excel_the_separator_is_no_header(tmp_path, content):
    path = tmp_path / "devices.csv"
    path.write_text(content)
    assert read_devices(path) == [A]
    path.write_text(content + "x\n")
    with pytest.raises(CommandError, match="line 4: 1 cells"):
        read_devices(path)


def test_character_that_nobody_sees_is_named(tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text(
        HEADER
        + "sensor01\u200b,secret-of-one,a1pk\n"
        + "sensor02,secret\xa0-of-two,a1pk\n"
        + "sensor03,s,\u2060a1pk\n"
        + "a_name_that_is_quite\u00ad_long,s,a1pk\n"
    )
    with pytest.raises(CommandError) as caught:
        read_devices(path)
    text = str(caught.value)
    assert "line 2: device name 'sensor01\\u200b' is" in text and "character 9 is U+200B" in text
    assert "character 7 is U+00A0" in text
    assert "character 1 is U+2060" in text
    assert "character 21 is U+00AD" in text
    assert "secret-of" not in text and "of-two" not in text
