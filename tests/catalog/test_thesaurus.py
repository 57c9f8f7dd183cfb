from isthmus.catalog.terms import stem
from isthmus.catalog.thesaurus import SAME, SUGGESTED, SUGGESTS, Thesaurus, thesaurus


def test_words_before_the_bar_stand_for_one_another_and_suggest_those_after_it() -> None:
    related = Thesaurus.read(["# a comment", "", "film movie | actor"], []).related
    assert related["film"] == {"movi": SAME, "actor": SUGGESTED}
    assert related["actor"] == {"film": SUGGESTS, "movi": SUGGESTS}


def test_the_closest_of_several_relations_counts() -> None:
    related = Thesaurus.read(["film | movie", "movie film"], []).related
    assert related["film"]["movi"] == SAME


def test_filler_is_words_as_they_are_written() -> None:
    assert Thesaurus.read([], ["# said often", "please kindly"]).filler == {"please", "kindly"}


def test_the_thesaurus_that_is_shipped_relates_what_people_say_to_what_apis_say() -> None:
    related = thesaurus().related
    assert stem("repository") in related["repo"]
    assert stem("movie") in related["film"]
    assert all(term not in others for term, others in related.items())
    assert "please" in thesaurus().filler
