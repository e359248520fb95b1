"""Settings: read once, named in plain words when they are wrong."""

from pathlib import Path

import pytest

from domain.kernel.errors import Trouble
from domain.kernel.settings import Settings, read

URL = "postgresql://app:secret@db.example/shop"


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read({"PATH": "/bin"}) == Settings()
    assert (Settings().host, Settings().port, Settings().waterline_home) == ("127.0.0.1", 8000, Path(".waterline"))


def test_each_setting_is_read_as_its_own_type() -> None:
    environment = {
        "WATERLINE_HOME": "/srv/waterline",
        "DATABASE_URL": URL,
        "DATABASE_ADMIN_URL": URL.replace("app", "owner"),
        "HOST": "0.0.0.0",
        "PORT": "9000",
        "CORS_ORIGINS": "https://a.example https://b.example",
        "DATABASE_POOL": "3",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "text",
    }
    assert read(environment) == Settings(
        waterline_home=Path("/srv/waterline"),
        database_url=URL,
        database_admin_url=URL.replace("app", "owner"),
        host="0.0.0.0",
        port=9000,
        cors_origins="https://a.example https://b.example",
        database_pool=3,
        log_level="debug",
        log_format="text",
    )


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_counts_as_not_set(empty: str) -> None:
    assert read({"PORT": empty, "DATABASE_URL": empty, "LOG_LEVEL": empty}) == Settings()


def test_an_empty_environment_is_not_replaced_by_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9")
    assert read({}) == Settings()
    assert read().port == 9


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PORT": "many"}, "PORT"),
        ({"PORT": "0"}, "PORT"),
        ({"PORT": "65536"}, "PORT"),
        ({"PORT": "80.5"}, "PORT"),
        ({"DATABASE_POOL": "0"}, "DATABASE_POOL"),
        ({"DATABASE_POOL": "1001"}, "DATABASE_POOL"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"DATABASE_URL": "mysql://db.example"}, "DATABASE_URL"),
        ({"DATABASE_URL": URL, "DATABASE_ADMIN_URL": "db.example"}, "DATABASE_ADMIN_URL"),
        ({"DATABASE_ADMIN_URL": URL}, "DATABASE_ADMIN_URL"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_a_remedy(environment: dict[str, str], named: str) -> None:
    with pytest.raises(Trouble) as trouble:
        read(environment)
    assert named in trouble.value.problem
    assert trouble.value.remedy.endswith(".")


def test_a_wrong_address_is_named_without_its_password() -> None:
    with pytest.raises(Trouble) as trouble:
        read({"DATABASE_URL": "mysql://app:secret@db.example"})
    assert "secret" not in str(trouble.value)
