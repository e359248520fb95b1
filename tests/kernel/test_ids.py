"""Ids: typed, sortable by when they were made, and never two alike."""

import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.database import Database
from domain.kernel.ids import Id, is_id, new_id, split_id

DIGITS = "0192f3a1b2c37def8a1b2c3d4e5f6071"


def test_ids_of_one_process_sort_in_the_order_they_were_made() -> None:
    made = [new_id("prd") for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_many_threads_differ_and_each_thread_sees_its_own_in_order() -> None:
    made: list[list[str]] = [[] for _ in range(8)]

    def make(into: list[str]) -> None:
        into.extend(new_id("prd") for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(each,)) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each == sorted(each) for each in made)
    assert len({value for each in made for value in each}) == 40_000


def test_an_id_made_after_another_threads_id_was_seen_sorts_behind_it() -> None:
    before = new_id("prd")
    box: list[str] = []
    thread = threading.Thread(target=lambda: box.append(new_id("prd")))
    thread.start()
    thread.join()
    assert before < box[0] < new_id("prd")


def test_an_id_is_a_version_7_uuid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    prefix, digits = split_id(new_id("prd")) or ("", "")
    after = time.time_ns() // 1_000_000
    value = uuid.UUID(digits)
    assert prefix == "prd"
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert before <= value.int >> 80 <= after + 1  # ids made in a burst run ahead by fractions of a millisecond


def test_the_clock_may_step_back_without_disturbing_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id("prd")
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    assert before < new_id("prd") < new_id("prd")


def test_an_id_is_taken_apart_into_prefix_and_digits() -> None:
    assert split_id(f"prd_{DIGITS}") == ("prd", DIGITS)
    assert is_id(f"prd_{DIGITS}", "prd")
    assert not is_id(f"prd_{DIGITS}", "var")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "prd",
        "prd_",
        DIGITS,
        f"prd_{DIGITS[1:]}",
        f"prd_{DIGITS}0",
        f"PRD_{DIGITS}",
        f"prd_{DIGITS.upper()}",
        f"prd-{DIGITS}",
        f" prd_{DIGITS}",
        f"prd_{DIGITS}\n",
        f"prd_{uuid.UUID(DIGITS)}",
        f"prd_{'٣' * 32}",
        "🦆",
    ],
)
def test_what_is_no_id_is_no_id(wrong: str) -> None:
    assert split_id(wrong) is None
    assert not is_id(wrong, "prd")


@given(st.text(max_size=60))
def test_any_text_can_be_asked_whether_it_is_an_id(text: str) -> None:
    assert is_id(text, "prd") is (
        len(text) == 36 and text.startswith("prd_") and all(letter in "0123456789abcdef" for letter in text[4:])
    )


def test_a_column_takes_ids_of_its_own_kind_only() -> None:
    kind = Id("prd")
    bind, read = kind.bind_processor(None), kind.result_processor(None, None)  # type: ignore[arg-type]
    assert bind(f"prd_{DIGITS}") == DIGITS
    assert read(DIGITS) == f"prd_{DIGITS}"
    assert bind(None) is read(None) is None
    for wrong in (f"var_{DIGITS}", DIGITS, "prd_"):
        with pytest.raises(ValueError, match="is no prd_ id"):
            bind(wrong)


async def test_ids_that_the_database_makes_are_of_the_same_kind_and_time(database: Database) -> None:
    before = time.time_ns() // 1_000_000
    async with database.snapshot() as connection:
        digits = (await connection.exec_driver_sql("SELECT uuid7() FROM generate_series(1, 500)")).scalars().all()
    after = time.time_ns() // 1_000_000
    values = [uuid.UUID(each) for each in digits]
    assert len(set(values)) == 500
    assert {(value.version, value.variant) for value in values} == {(7, uuid.RFC_4122)}
    assert all(before <= value.int >> 80 <= after for value in values)
