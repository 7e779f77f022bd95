"""The licence a model's card names: the one its publisher put there, or that of the model it was fine-tuned from."""

import re
from dataclasses import dataclass, replace

from huggingface_hub import CardData

_ID = re.compile(r"[a-z0-9][a-z0-9.+-]{0,59}")


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence as the Hub's metadata has it."""

    id: str  # in the Hub's list: "apache-2.0", or "other"
    name: str = ""  # of an "other" one
    link: str = ""  # to its text
    inherited: bool = False  # it is that of the model fine-tuned from


def licence_in(card: CardData | None) -> Licence | None:
    """The licence that a card's front matter names; None where it names none that the Hub would take."""
    told = card.to_dict() if card else {}
    fields = (told.get(field) for field in ("license", "license_name", "license_link"))
    found, name, link = (value if isinstance(value, str) else "" for value in fields)
    if not _ID.fullmatch(found):
        return None
    return Licence(found, name if _ID.fullmatch(name) else "", link if re.fullmatch(r"\S{1,300}", link) else "")


def licence_of(own: Licence | None, base: Licence | None) -> Licence | None:
    """What a model's card is to name: its own licence, or the one that its weights bring with them."""
    if own is None or (base and own.id == base.id):
        return replace(base, inherited=True) if base else None
    return own
