"""The constants of the first stage of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isthmus.catalog.reading import Field


@dataclass(frozen=True, slots=True)
class Weighting:
    """How a field counts: the weight of a word in it, and how much its length is held against it."""

    weight: float
    b: float  # 0: length does not matter; 1: a word in twice the usual length counts half
    usual: float  # words


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a word is worth in an operation, and how far the first stage looks."""

    fields: Mapping[Field, Weighting] = field(
        default_factory=lambda: {
            Field.NAME: Weighting(5.0, 0.6, 4),
            Field.SUMMARY: Weighting(1.1, 0.6, 6),
            Field.PATH: Weighting(1.2, 0.4, 5),
            Field.TAGS: Weighting(1.0, 0.4, 2),
            Field.UPSTREAM: Weighting(2.4, 0.0, 2),
            Field.DESCRIPTION: Weighting(1.0, 0.8, 25),
            Field.PARAMETERS: Weighting(0.6, 0.6, 8),
            Field.ABOUT: Weighting(0.25, 0.9, 60),
        }
    )
    k1: float = 1.3
    action: float = 0.4  # what a verb counts for that means the same as the query's
    same: float = 0.5  # what a word's synonym counts for, as a part of its closeness
    suggested: float = 0.3  # and a word that it merely suggests
    widespread: int = 100  # a related word in more operations than this is not followed: it would find all of them
    crowd: int = 1500  # beside other words, one in more operations than this finds nothing; the second stage counts it
    counted: int = 64  # operations of the first stage that are looked at for how many more match
    alike: int = 30  # operations that are looked at for being about what the query is about, whatever their words
    likeness: float = 3.0  # what a likeness of 1 counts for beside the score of the best by words, which is 1
    looked_at: int = 26  # operations that reach the second stage
    comparable: float = 0.5  # an operation with this part of the best score counts as one more that matches
