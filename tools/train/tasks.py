"""Generated retrieval tasks: names, values, needles, questions, all drawn at random.

Kept out of training, for the evaluation: every name whose bytes add up to a multiple of 8, the
evaluation's nouns, and the words that set its sentences and questions apart (coordinator/eval_text.c).
"""
import string

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
LISTS = ["Write down all {noun}s {link} {name}.", "What are all the {noun}s {link} {name}?",
         "Name every {noun} {link} {name}.", "Which {noun}s does {name} have?", "All {noun}s {link} {name}?"]
FRAMES = ["\n\nQuestion: {question}\nAnswer:", "\n\nQuestion: {question}\nAnswer:", "\n\nQ: {question}\nA:",
          "\n\n{question}\nAnswer:", "\n{question}", "\n\nQuestion: {question} Answer:"]
CUES = ["\n\n{question} The {noun} {link} {name} is", "\n\nQuestion: {question}\nAnswer: The {noun} {link} {name} is",
        "\n\n{question} The {some} {name} {noun} is", "\n\n{question} The {name} {noun} is", "\nThe {noun} {link} {name} is", "\n\n{question} {name}:"]


def letters(rng, low, high, alphabet=LETTERS):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def syllables(rng, low, high):
    return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randint(low, high)))


def draw_name(rng, words):
    while True:
        kind = rng.random()
        if kind < 0.3:
            name = letters(rng, 4, 10)
        elif kind < 0.55:
            name = syllables(rng, 2, 5).capitalize() + rng.choice(["", "", "n", "s", "r"])
        elif kind < 0.75:
            name = letters(rng, 1, 4) + rng.choice(["-", "", "_"]) + letters(rng, 2, 5, string.digits)
        elif kind < 0.85:
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
    if kind < 0.92:
        return rng.choice(words) + rng.choice(["-", " "]) + rng.choice(words)
    return letters(rng, 4, 8, LETTERS + LETTERS.upper() + string.digits)


def similar_name(rng, name, words):
    """Sometimes a name that differs from another in one character only."""
    if rng.random() < 0.95:
        return draw_name(rng, words)
    at = rng.randrange(len(name))
    changed = name[:at] + rng.choice(LETTERS) + name[at + 1:]
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


class Sample:
    """A document of exactly `length` tokens: haystack, needles, then questions with answers.

    rows, targets, weights: the positions whose next token is learnt, with 1 for answers and
    `language` for others.
    """

    def __init__(self, rng, corpus, tokenizer, length, n_needles, n_questions, pairs=False, lists=0.0, language=0.1):
        self.rng, self.corpus, self.tokenizer = rng, corpus, tokenizer
        n_hay = -1
        while n_hay < 0:
            needles, tail = self.draw_pairs(n_needles) if pairs else self.draw_tasks(n_needles, n_questions, lists)
            n_hay = length - 1 - sum(map(len, needles)) - len(tail)
        self.tokens = [BOS] + self.plant(n_hay, needles)
        self.rows, self.targets, self.weights = [], [], []
        self.add_language(len(self.tokens), max(8, length // 256), language)
        self.add_answers(len(self.tokens), tail)
        self.tokens += [token for token, _ in tail]

    def draw_pairs(self, n):
        """The same results as draw_tasks; all pairs are asked for."""
        rng, words, encode = self.rng, self.corpus.words, self.tokenizer.encode
        template, noun = rng.choice(PAIRS), draw_noun(rng, words)
        pairs = [(draw_name(rng, words), draw_value(rng, words)) for _ in range(n)]
        needles = [encode("\n" + template.format(noun=noun, name=name, value=value)) for name, value in pairs]
        tail = []
        for name, value in rng.sample(pairs, n):
            asked = template[:template.index(" {value}")].format(noun=noun, name=name)
            tail += [(token, False) for token in encode("\n" + asked)]
            tail += [(token, True) for token in encode(" " + value) + [EOS]]
        return needles, tail

    def draw_tasks(self, n_needles, n_questions, lists):
        """Needles as token lists; the tail as (token, is it part of an answer)."""
        rng, words = self.rng, self.corpus.words
        same_words = rng.random() < 0.7
        template, noun = rng.choice(NEEDLES), draw_noun(rng, words)
        needles, asked, name = [], [], draw_name(rng, words)
        while len(needles) < n_needles:
            if not same_words:
                template, noun = rng.choice(NEEDLES), draw_noun(rng, words)
            n_values = rng.randint(2, min(4, n_needles - len(needles))) if (
                n_needles - len(needles) >= 2 and rng.random() < lists) else 1
            values = [draw_value(rng, words) for _ in range(n_values)]
            needles += [fill(rng, words, template, noun=noun, name=name, value=value) for value in values]
            asked.append((noun, name, values))
            name = similar_name(rng, name, words)
        tail = []
        for noun, name, values in rng.sample(asked, min(n_questions, len(asked))):
            tail += self.question(noun, name, values)
        return [self.as_line(needle) for needle in needles], tail

    def as_line(self, needle):
        form = self.rng.random()
        text = f"\n{needle}\n" if form < 0.7 else f" {needle}" if form < 0.9 else f"{needle}\n"
        return self.tokenizer.encode(text)

    def question(self, noun, name, values):
        rng = self.rng
        words = self.corpus.words
        question = fill(rng, words, rng.choice(LISTS if len(values) > 1 else QUESTIONS), noun=noun, name=name)
        is_cue = len(values) == 1 and rng.random() < 0.25
        asked = fill(rng, words, rng.choice(CUES if is_cue else FRAMES), question=question, noun=noun, name=name)
        answer = " " + ", ".join(values)
        if is_cue and rng.random() < 0.2:  # the blanks stand before the answer already
            asked, answer = asked + rng.choice([" ", "  "]), answer[1:]
        asked, answer = self.tokenizer.encode(asked), self.tokenizer.encode(answer) + [EOS]
        return [(token, False) for token in asked] + [(token, True) for token in answer]

    def plant(self, n_hay, needles):
        """The needles in their order at random places of the haystack, mostly ends of lines."""
        rng = self.rng
        hay = self.corpus.draw(rng, n_hay)
        at = sorted(rng.randrange(n_hay + 1) for _ in needles)
        if rng.random() < 0.95:
            ends = [i + 1 for i, token in enumerate(hay) if token in self.corpus.newlines]
            if len(ends) >= len(needles):
                at = sorted(rng.sample(ends, len(needles)))
        document, begin = [], 0
        for place, needle in zip(at, needles):
            document += hay[begin:place] + needle
            begin = place
        return document + hay[begin:]

    def add_language(self, n, count, weight):
        for row in self.rng.sample(range(n - 1), min(count, n - 1)):
            self.rows.append(row)
            self.targets.append(self.tokens[row + 1])
            self.weights.append(weight)

    def add_answers(self, begin, tail):
        for i, (token, is_answer) in enumerate(tail):
            if is_answer:
                self.rows.append(begin + i - 1)
                self.targets.append(token)
                self.weights.append(1.0)


class Copy:
    """The first level: text in which a random string stands twice; its second copy is the answer."""

    def __init__(self, rng, corpus, tokenizer, length):
        string_ = tokenizer.encode(" " + "".join(letters(rng, 10, 24, LETTERS + string.digits)))[:20]
        hay = [BOS] + corpus.draw(rng, length - 1)
        second = length - len(string_)
        first = rng.randrange(1, second - len(string_))
        hay[first:first + len(string_)] = string_
        hay[second:] = string_
        self.tokens = hay
        self.rows = list(range(second + 1, length - 1))
        self.targets = [hay[row + 1] for row in self.rows]
        self.weights = [1.0] * len(self.rows)
        for row in rng.sample(range(second), 8):
            self.rows.append(row)
            self.targets.append(hay[row + 1])
            self.weights.append(0.1)
