"""Generated retrieval tasks: names, values, needles, questions, all drawn at random.

Kept out of training, for the evaluation: every name whose bytes add up to a multiple of 8, the
evaluation's nouns, and the words that set its sentences and questions apart (coordinator/eval/text.c).
"""
import string
from dataclasses import dataclass

BOS, EOS = 0, 2  # <s> and </s> (text.SHIFT)
LETTERS, VOWELS = string.ascii_lowercase, "aeiou"
CONSONANTS = "".join(c for c in LETTERS if c not in VOWELS)

NOUNS = """secret code|access code|magic number|password|desk number|locker key|lucky number|model number|phone
extension|room number|passphrase|account id|order number|token|hash|registration|favourite word|nickname|licence
key|invoice number|seat|code word|ticket number|pin|special magic number|special number|reference number|case
number|member id|key|value|answer|code|number|word|label|address|identifier|port|version""".replace("\n", " ").split("|")

HELD_OUT_NOUNS = {"vault combination", "boarding pass number", "tracking number", "laboratory pin", "locker code",
                  "parking disc number", "permit number", "meter reading", "library card number", "radio channel",
                  "telex number", "spare key"}
HELD_OUT_WORDS = {"registered", "reserved", "given", "list"}

# Needles and the ways to ask for them. The name stands before the value: what is stored of a value's
# first token can then tell whose it is.
# {link} ties a noun to a name: "of", "assigned to". {some} is empty or a few random words.
LINKS = ["of", "of", "of", "for", "for", "assigned to", "issued to", "used by", "belonging to", "kept for", "from"]
NEEDLES = [
    "The {noun} {link} {name} is {value}.",
    "The {noun} {link} {name} is {value}.",
    "The {noun} {link} {name} is: {value}.",
    "One of the {noun}s {link} {name} is: {value}.",
    "A {noun} {link} {name} is {value}.",
    "The {noun} {link} {name} was set to {value}.",
    "{name} has the {noun} {value}.",
    "{name}'s {noun} is {value}.",
    "Remember that the {noun} {link} {name} is {value}.",
    "For {name}, the {noun} is {value}.",
    "{some}: the {noun} {link} {name} is {value}.",
    "{some}, the {noun} {link} {name} is {value}.",
    "{some} {noun} {link} {name}: {value}.",
    "{name}: {noun} {value}.",
    "The {name} {noun} is {value}.",
    "The {noun} {some} {name} is {value}.",
    "The {noun} that belongs to {name} is {value}.",
    "The {some} {name} {noun} is {value} .",
    "The {some} {name} {noun} is: {value}",
]
QUESTIONS = [
    "What is the {noun} {link} {name}?",
    "What is the {noun} {link} {name}?",
    "What is the {noun} {link} {name}?",
    "What is {name}'s {noun}?",
    "Which {noun} does {name} have?",
    "Which {noun} was {link} {name}?",
    "Which {noun} is the one {link} {name}?",
    "Tell me the {noun} {link} {name}.",
    "What is the {name} {noun}?",
    "Give the {noun} that belongs to {name}.",
    "{some} {noun} {link} {name}?",
    "What is the {some} {name} {noun}?",
    "{name}, {noun}?",
]
# Pairs, asked for by their first half: many fit into a short document.
PAIRS = ["{name}: {value}.", "{name} is {value}.", "{name} = {value}.", "The {noun} of {name} is {value}."]
# Mostly with a full stop, which is nearer to the answer than what else tells them from the questions above.
LISTS = ["Write down all {noun}s {link} {name}.", "What are all the {noun}s {link} {name}?",
         "Name all {noun}s {link} {name}.", "Tell me all {noun}s {link} {name}.", "All {noun}s {link} {name}.",
         "{some} all {noun}s {link} {name}.", "{some} all {noun}s {link} {name}."]
FRAMES = ["\n\nQuestion: {question}\nAnswer:", "\n\nQuestion: {question}\nAnswer:", "\n\nQ: {question}\nA:",
          "\n\n{question}\nAnswer:", "\n{question}", "\n\nQuestion: {question} Answer:"]
CUES = ["\n\n{question} The {noun} {link} {name} is", "\n\nQuestion: {question}\nAnswer: The {noun} {link} {name} is",
        "\n\n{question} The {some} {name} {noun} is", "\n\n{question} The {name} {noun} is", "\nThe {noun} {link} {name} is"]


def letters(rng, low, high, alphabet=LETTERS):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def syllables(rng, low, high):
    return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randint(low, high)))


def draw_name(rng, words):
    while True:
        kind = rng.random()
        if kind < 0.35:
            name = letters(rng, 4, 10)
        elif kind < 0.6:
            name = syllables(rng, 2, 5).capitalize() + rng.choice(["", "", "n", "s", "r"])
        elif kind < 0.85:
            name = letters(rng, 1, 4) + rng.choice(["-", "-", "", "_"]) + letters(rng, 2, 5, string.digits)
        elif kind < 0.9:
            name = rng.choice(words) + rng.choice([" ", "-"]) + rng.choice(words)
        elif kind < 0.95:
            name = rng.choice(words).capitalize()
        else:
            name = letters(rng, 3, 8, LETTERS + LETTERS.upper() + string.digits)
        if sum(name.encode()) % 8:
            return name


def draw_value(rng, words):
    kind = rng.random()
    if kind < 0.45:
        return letters(rng, 1, 1, "123456789") + letters(rng, 2, 8, string.digits)
    if kind < 0.7:
        return letters(rng, 4, 9)
    if kind < 0.85:
        return letters(rng, 4, 8, "0123456789abcdef")
    if kind < 0.89:
        return rng.choice(words) + rng.choice(["-", " "]) + rng.choice(words)
    return letters(rng, 4, 8, LETTERS + LETTERS.upper() + string.digits)


def similar_name(rng, name, words):
    """A name that differs from another in one character, or in the order of two."""
    at = rng.randrange(len(name) - 1)
    swapped = name[at + 1] + name[at] if rng.random() < 0.3 else rng.choice(LETTERS) + name[at + 1]
    changed = name[:at] + swapped + name[at + 2:]
    return changed if sum(changed.encode()) % 8 else draw_name(rng, words)


def draw_noun(rng, words):
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(NOUNS)
    noun = rng.choice(words) if kind < 0.75 else rng.choice(words) + " " + rng.choice(words)
    return draw_noun(rng, words) if noun in HELD_OUT_NOUNS else noun


def draw_some(rng, words):
    """A few random words."""
    some = [rng.choice(words) for _ in range(rng.randint(1, 4))]
    return draw_some(rng, words) if HELD_OUT_WORDS.intersection(some) else " ".join(some)


def fill(rng, words, template, **fields):
    some = draw_some(rng, words)
    some = some.capitalize() if template.startswith("{some}") else some
    return template.format(link=rng.choice(LINKS), some=some, **fields)


@dataclass
class Level:
    """What the documents of a part of the curriculum are like."""
    docs: int
    length: int
    needles: int        # at most; as many as there is room for
    passed: float       # share of answers that are wholly right, to go on
    pairs: float = 0.0  # share of documents with bare pairs of name and value
    near: float = 0.3   # share of names that nearly are another
    lists: float = 0.0  # share of names with several values
    bank: int = 0       # rows of the bank
    weight: float = 1.0  # how many rows each of them, and of the haystack's, stands for


@dataclass
class Answer:
    """A question's tokens and its answer's; `values` are (needle, value's place in it, the value's tokens)."""
    asked: list
    tokens: list
    values: list


def find(tokens, part):
    """Where part begins in tokens the last time, or -1."""
    return next((i for i in range(len(tokens) - len(part), -1, -1) if tokens[i:i + len(part)] == part), -1)


class Sample:
    """A document of exactly `length` tokens: haystack, needles, then questions with answers.

    rows, targets, weights: the positions whose next token is learnt, with 1 for answers and
    `language` for others. sources: for each of these the position that the token can be copied from,
    or -1; answers: which question it belongs to, or -1; lists: the same, where several values are
    asked for. crowd: of each token, how many rows it stands for: those of the haystack for
    `level.weight`.
    """

    def __init__(self, rng, corpus, tokenizer, level, language=0.1):
        self.rng, self.corpus, self.encode = rng, corpus, tokenizer.encode
        self.rows, self.targets, self.weights, self.sources = [], [], [], []
        self.answers, self.lists = [], []
        pairs = rng.random() < level.pairs
        needles, answers = self.draw_pairs(level) if pairs else self.draw_tasks(level)
        tail = sum(len(a.asked) + len(a.tokens) for a in answers)
        self.tokens, starts = self.plant(level.length - 1 - sum(map(len, needles)) - tail, needles)
        self.crowd = [level.weight] * len(self.tokens)
        for start, needle in zip(starts, needles):
            self.crowd[start:start + len(needle) + 1] = [1.0] * (len(needle) + 1)
        self.add_language(max(8, level.length // 256), language)
        for i, answer in enumerate(answers):
            self.add_answer(i, answer, starts)
        self.crowd += [1.0] * (len(self.tokens) - len(self.crowd))

    def draw_pairs(self, level):
        """Needles as token lists, and the questions; all pairs are asked for."""
        rng, words, encode = self.rng, self.corpus.words, self.encode
        template, noun = rng.choice(PAIRS), draw_noun(rng, words)
        needles, answers, room = [], [], level.length - 16
        for name in self.draw_names(level.needles, level.near):
            value = draw_value(rng, words)
            needle = encode("\n" + template.format(noun=noun, name=name, value=value))
            asked = encode("\n" + template[:template.index(" {value}")].format(noun=noun, name=name))
            answer = encode(" " + value) + [EOS]
            room -= len(needle) + len(asked) + len(answer)
            if room < 0:
                break
            answers.append(Answer(asked, answer, [(len(needles), find(needle, answer[:-1]), answer[:-1])]))
            needles.append(needle)
        rng.shuffle(answers)
        return needles, answers

    def draw_tasks(self, level):
        """As draw_pairs, in sentences and with questions in words of their own."""
        rng, words = self.rng, self.corpus.words
        same_words = rng.random() < 0.7
        template, noun = rng.choice(NEEDLES), draw_noun(rng, words)
        groups, room = [], level.length - 16
        for name in self.draw_names(rng.randint(level.needles // 2 + 1, level.needles), level.near):
            if not same_words:
                template, noun = rng.choice(NEEDLES), draw_noun(rng, words)
            values = self.draw_values(level)
            needles = [self.as_line(fill(rng, words, template, noun=noun, name=name, value=v)) for v in values]
            asked, answer = self.question(noun, name, values)
            room -= sum(map(len, needles)) + len(asked) + len(answer)
            if room < 0:
                break
            groups.append((needles, values, Answer(asked, answer, [()] * len(values))))
        order = [(*group, k) for group in groups for k in range(len(group[0]))]
        rng.shuffle(order)
        for at, (needles, values, answer, k) in enumerate(order):
            value = self.encode(" " + values[k])
            answer.values[k] = (at, find(needles[k], value), value)
        rng.shuffle(groups)
        return [needles[k] for needles, _, _, k in order], [answer for _, _, answer in groups]

    def draw_values(self, level):
        """Mostly one, else in the order of their tokens, which does not depend on where they stand.

        What attends to all of them alike then needs no position to tell which comes first.
        """
        rng, words = self.rng, self.corpus.words
        if rng.random() >= level.lists:
            return [draw_value(rng, words)]
        values = [draw_value(rng, words) for _ in range(rng.choices([2, 3, 4], [6, 1, 1])[0])]
        return sorted(values, key=lambda value: self.encode(" " + value))

    def draw_names(self, n, near):
        rng, words = self.rng, self.corpus.words
        names = {}
        while len(names) < n:
            is_near = names and rng.random() < near
            names[similar_name(rng, rng.choice(list(names)), words) if is_near else draw_name(rng, words)] = True
        return list(names)

    def as_line(self, needle):
        form = self.rng.random()
        return self.encode(f"\n{needle}\n" if form < 0.7 else f" {needle}" if form < 0.9 else f"{needle}\n")

    def question(self, noun, name, values):
        """The question's tokens and the answer's."""
        rng = self.rng
        words = self.corpus.words
        question = fill(rng, words, rng.choice(LISTS if len(values) > 1 else QUESTIONS), noun=noun, name=name)
        is_cue = len(values) == 1 and rng.random() < 0.25
        asked = fill(rng, words, rng.choice(CUES if is_cue else FRAMES), question=question, noun=noun, name=name)
        answer = self.encode(" " + ", ".join(values)) + [EOS]
        asked = self.encode(asked)
        if answer[:1] == self.encode(" ") and rng.random() < 0.1:  # the blank stands before the answer already
            asked, answer = asked + answer[:1], answer[1:]
        return asked, answer

    def plant(self, n_hay, needles):
        """The needles in their order at random places of the haystack, mostly ends of lines; where each begins."""
        rng = self.rng
        hay = self.corpus.draw(rng, n_hay)
        at = sorted(rng.randrange(n_hay + 1) for _ in needles)
        if rng.random() < 0.95:
            ends = [i + 1 for i, token in enumerate(hay) if token in self.corpus.newlines]
            if len(ends) >= len(needles):
                at = sorted(rng.sample(ends, len(needles)))
        document, starts, begin = [BOS], [], 0
        for place, needle in zip(at, needles):
            document += hay[begin:place]
            starts.append(len(document))
            document += needle
            begin = place
        return document + hay[begin:], starts

    def learn(self, row, target, weight, source=-1, answer=-1, is_list=False):
        self.rows.append(row)
        self.targets.append(target)
        self.weights.append(weight)
        self.sources.append(source)
        self.answers.append(answer)
        self.lists.append(answer if is_list else -1)

    def add_language(self, count, weight):
        for row in self.rng.sample(range(len(self.tokens) - 1), min(count, len(self.tokens) - 1)):
            self.learn(row, self.tokens[row + 1], weight)

    def add_answer(self, index, answer, starts):
        sources = self.answer_sources(answer, starts)
        self.tokens += answer.asked
        for token, source in zip(answer.tokens, sources):
            self.learn(len(self.tokens) - 1, token, 1.0, source, index, len(answer.values) > 1)
            self.tokens.append(token)

    @staticmethod
    def answer_sources(answer, starts):
        """Each answer token's place in the needles; what ends a single value is found behind it."""
        sources, at = [-1] * len(answer.tokens), 0
        if any(place < 0 for _, place, _ in answer.values):
            return sources
        for needle, place, value in answer.values:
            shift = 0 if answer.tokens[at:at + 1] == value[:1] else 1  # the blank stands in the question
            for i in range(shift, len(value) + 1):
                if i < len(value) or len(answer.values) == 1:
                    sources[at] = starts[needle] + place + i
                at += 1
        return sources
