"""A finding reads as a sentence of what is wrong, and one of what to do."""

from skact import Finding


def test_a_finding_says_what_shows_the_fault_and_what_to_do() -> None:
    finding = Finding("dropout", "dropout 0.9 is high", "Try dropout=0.2.", {}, 0.5, {})
    assert str(finding) == "dropout 0.9 is high. Try dropout=0.2."
