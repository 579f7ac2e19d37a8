"""Tests of the tutorials' exercises that are no terms: a module for each tutorial.

A test is for ``check(answer, test)``. It states what holds for a right answer, and does
not contain one.
"""
