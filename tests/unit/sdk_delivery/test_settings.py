"""What a producer can set."""

import pytest

from flowtrail.model.errors import Refusal
from flowtrail.sdk.settings import SETTINGS, Settings, default_of, host_name, read_settings


def test_what_is_given_beats_the_environment_and_that_the_default():
    environ = {"FLOWTRAIL_URL": "http://a:1/", "FLOWTRAIL_MEMORY_MIB": "8"}

    settings = read_settings(environ, url="https://b:2/base/", overload="DROP_OLDEST")

    assert settings == Settings(url="https://b:2/base", memory_mib=8, overload="drop-oldest")
    assert read_settings({}) == Settings()


def test_every_setting_is_a_field_with_a_variable_of_its_own():
    assert {setting.field for setting in SETTINGS} == set(Settings.__dataclass_fields__)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        if (default := default_of(setting.field)) is not None:
            assert setting.read(f"{default:g}" if isinstance(default, float) else str(default)) == default


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://a"),
        ("url", "http://"),
        ("url", "http://user:pass@a"),
        ("url", "http://a?b=c"),
        ("url", "http://a:99999"),
        ("url", "http://a\r\nX: y"),
        ("url", "http://a b"),
        ("url", "http://ä"),
        ("api_key", "a b"),
        ("api_key", "ü"),
        ("api_key", "a\nb"),
        ("url", "http://127.0.0.1:8765/v1/records/"),
        ("producer", "x" * 151),
        ("producer", "a\nb"),
        ("overload", "explode"),
        ("memory_mib", "3"),
        ("memory_mib", "1_6"),
        ("batch_s", "nan"),
        ("batch_s", "0"),
        ("exit_s", "61"),
        ("spill_dir", "a\0b"),
        ("spill_mib", "7"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named_and_a_key_is_not_shown(field, value):
    with pytest.raises(Refusal) as refused:
        read_settings({}, **{field: value})

    assert (refused.value.code, refused.value.field) == ("invalid_setting", field)
    assert refused.value.allowed
    assert (refused.value.received is None) == (field == "api_key")
    assert field != "api_key" or value not in refused.value.message


def test_a_spill_is_no_way_to_give_records_up_and_the_refusal_says_where_it_is_set():
    with pytest.raises(Refusal, match="spill_dir"):
        read_settings({}, overload="spill")


def test_the_environment_is_named_by_its_variable():
    with pytest.raises(Refusal) as refused:
        read_settings({"FLOWTRAIL_EXIT_S": "forever"})

    assert refused.value.field == "FLOWTRAIL_EXIT_S"


def test_what_is_no_setting_is_a_type_error():
    with pytest.raises(TypeError, match=r"colour.*memory_mib"):
        read_settings({}, colour="red")


@pytest.mark.parametrize(
    ("url", "is_near"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("https://example.org", False),
    ],
)
def test_whether_it_stays_on_this_machine_is_read_from_the_url(url, is_near):
    assert Settings(url=url).on_loopback is is_near


def test_a_machine_has_a_name_that_fits_into_a_producer():
    name = host_name()

    assert name
    assert len(name) <= 150
    assert "/" not in name
