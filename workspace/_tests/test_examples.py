"""The examples, tested as an author tests their own workflows: through the real engine, without host or storage."""

from examples.departments import departments
from examples.hello import hello
from examples.import_orders import import_orders
from examples.licences import licences
from examples.places import cities, countries
from examples.ticket_webhook import ticket_webhook

from shared.testing import run


async def test_hello_greets_in_the_language_asked_for():
    result = await run(hello, name="Ada", language="fr")
    assert result.status == "Success"
    assert result.result == {"greeting": "Bonjour, Ada!"}


async def test_hello_names_each_wrong_parameter():
    result = await run(hello, name="", language="xx")
    assert result.status == "Failed"
    assert result.error_details is not None
    assert [error["loc"] for error in result.error_details["errors"]] == [["name"], ["language"]]


async def test_import_orders_counts_what_it_could_not_read():
    result = await run(import_orders, lines=["a;1.50", "nonsense", "b;2"], seconds_per_order=0)
    assert result.status == "CompletedWithErrors"
    assert result.error_message == "1 of 3 lines are no orders"
    assert result.result["imported"] == 2
    assert result.progress is not None
    assert result.progress["fraction"] == 1


async def test_import_orders_tells_its_caller_that_there_is_nothing_to_do():
    result = await run(import_orders, lines=[])
    assert result.status == "Failed"
    assert result.error_message == "There is nothing to import: lines is empty"


async def test_licences_are_those_with_enough_seats():
    result = await run(licences, minimum_seats=100)
    assert [option["value"] for option in result.result] == ["business"]


async def test_departments_serve_as_workflow_and_as_dropdown():
    result = await run(departments, search="fin")
    assert result.result == [{"label": "Finance", "value": "fin"}]


async def test_countries_are_shown_by_name_and_submitted_by_code():
    result = await run(countries)
    assert result.result[1] == {"label": "Germany", "value": "de", "metadata": None}


async def test_cities_are_those_of_the_country_and_of_what_was_typed():
    result = await run(cities, country="de", search="L", limit="2")
    assert [option["value"] for option in result.result] == ["Berlin", "Cologne"]


async def test_cities_of_an_unknown_country_are_refused_in_plain_words():
    result = await run(cities, country="xx")
    assert (result.status, result.error_message) == ("Failed", "We do not deliver to 'xx'")


async def test_a_ticket_opened_with_the_highest_priority_is_urgent():
    result = await run(ticket_webhook, ticket="17", event="opened", priority="1")
    assert result.result == {"ticket": 17, "event": "opened", "urgent": True}
