"""What is there before the work begins: the shop's orders, and its customers' letters, always the same ones."""

import random
from pathlib import Path

from shop import ORDERS, make_tables

NAMES = (
    *("Ada", "Bo", "Cem", "Dana", "Eli", "Fay", "Gus", "Hana", "Ira", "Jo", "Kim", "Lea", "Mo", "Nia", "Ole"),
    *("Pia", "Quinn", "Rui", "Sol", "Tess", "Uma", "Vik", "Wei", "Yara", "Zoe"),
)
THINGS = (
    *("standing desk", "desk lamp", "bookshelf", "office chair", "side table"),
    *("wardrobe", "floor lamp", "bed frame", "stool", "mirror"),
)
COLOURS = ["oak", "walnut", "white", "black", "grey", "birch"]
MATTERS = (
    "my {thing} in {colour} should have come on Monday, and the parcel is still late.",
    "the {thing} arrived today with a leg that is cracked. A photo is enclosed.",
    "I sent the {thing} back two weeks ago and wait for my refund of {amount} euros.",
    "does the {thing} also come in {colour}, and how long would it take?",
    "thank you for the {thing}! We love it, and so does the cat.",
    "the {thing} has a scratch across its {colour} top. Please tell me today what we do.",
    "I would like my money back: the {thing} is not the {colour} that your page shows.",
)
ENDS = ("Kind regards,", "Please call me back.\nYours,", "I look forward to your answer.\n", "Best wishes,")
MORSE = "-.-. --.- -.. / .... . .-.. .--. / -.-. --.- -.."
SEED, MORE_ORDERS = 11, 12


def write(folder: Path, count: int) -> list[str]:
    """Write letters; return the names of files, among them some that are not there."""
    folder.mkdir()
    chance = random.Random(SEED)
    names = []
    for number in range(count):
        kind = chance.random()
        name = f"2026/{1 + number * 12 // count:02}/letter-{number:05}.txt"
        names.append(name)
        if kind < 0.006:
            continue  # the address is wrong
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if kind < 0.009 else _letter(number, chance, is_coded=kind < 0.012), encoding="utf-8")
    return names


def _letter(number: int, chance: random.Random, *, is_coded: bool) -> str:
    who, thing, colour = chance.choice(NAMES), chance.choice(THINGS), chance.choice(COLOURS)
    matter = MORSE if is_coded else chance.choice(MATTERS)
    said = matter.format(thing=thing, colour=colour, amount=chance.randrange(19, 499))
    order = 4_000 + number % 5_000
    return f"Order {order}, {thing}\n\nDear shop,\n{said}\n{chance.choice(ENDS)}\n{who}\n"


def fill_shop() -> None:
    """Make the shop's tables with a dozen orders more than the example has."""
    chance = random.Random(SEED)
    for number in range(MORE_ORDERS):
        ORDERS.append(
            {
                "number": f"{4_720 + number}",
                "customer": NAMES[number].lower(),
                "item": chance.choice(THINGS).capitalize(),
                "status": chance.choice(("delivered", "in transit", "being packed")),
                "paid": chance.randrange(29, 499),
            }
        )
    make_tables()


if __name__ == "__main__":
    fill_shop()
