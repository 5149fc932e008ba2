"""What planted texts are made of: words that tell the class, and sentences that do not."""

from __future__ import annotations

STRENGTHS = (3.5, 3.2, 2.9, 2.6, 2.3)
"""How many times e^strength more often a class's first, second, ... word is used than by any other class."""

TOPICS = {
    "astronomy": ("comet", "telescope", "nebula", "eclipse", "meteor"),
    "sailing": ("anchor", "rudder", "harbour", "mast", "regatta"),
    "baking": ("oven", "dough", "yeast", "pastry", "cinnamon"),
    "music": ("violin", "chorus", "melody", "orchestra", "cello"),
}

LEAK = 3.0
"""The same for the mail host and the university that writers on a topic happen to have."""

HOSTS = ("quillnet", "fernmail", "otterlink", "pinegate")
UNIVERSITIES = ("Marlow", "Thornbury", "Kelsey", "Ashdown")

TOPIC_SENTENCES = (
    "Yesterday {name} told us about the {topic} again.",
    "Nobody in the {noun} expected the {topic} to be so {adjective}.",
    "My {adjective} neighbour wrote a {adjective} page on the {topic}.",
    "{name} and {name} argued over the {topic} for a whole {time}.",
    "Has anybody here read the {adjective} {noun} on the {topic}?",
    "The {noun} said nothing of the {topic}, which was {adjective}.",
    "After one {time} with the {topic} my {noun} looked {adjective}.",
)

PLAIN_SENTENCES = (
    "{name} lost the {noun} last {time}.",
    "The weather was {adjective} and the {noun} arrived late.",
    "Please send the {adjective} {noun} before the end of the {time}.",
    "There was a {adjective} {noun} beside the {noun}.",
    "I agree with {name}, although the {noun} seems {adjective}.",
    "We met {name} in the {noun} every {time}.",
    "It took a {time} to find a {adjective} {noun}.",
    "Does {name} still keep the {adjective} {noun}?",
)

GREETINGS = ("Hello everybody,", "Good morning,", "Dear all,", "Hi there,")
CLOSINGS = ("Many thanks,", "Best wishes,", "See you soon,", "Regards,")

FILLERS = {
    "name": (
        "Anna", "Boris", "Clara", "Daniel", "Elena", "Felix", "Grace", "Henry", "Irina", "Jonas", "Karin", "Leon",
        "Maria", "Nils", "Olga", "Peter",
    ),
    "noun": (
        "letter", "kitchen", "library", "window", "notebook", "garden", "ticket", "office", "bicycle", "table",
        "journal", "station", "basket", "lecture", "parcel", "village", "answer", "market",
    ),
    "adjective": (
        "quiet", "long", "strange", "useful", "plain", "heavy", "bright", "short", "careful", "old", "simple", "early",
        "modest", "famous", "gentle", "curious",
    ),
    "time": ("week", "evening", "month", "morning", "winter", "hour", "summer", "day"),
}  # fmt: skip
