# SPDX-License-Identifier: GPL-2.0
"""For tests/mutation/sample: C, as far as needed, and the small mistakes in it."""
import bisect
import collections
import fnmatch
import hashlib
import os
import random
import re

from paths import ROOT, read_map, row_of, sources

TOKEN = re.compile(r'''
      (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<directive>(?<![^\n])[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
    | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<mark><<=|>>=|\.\.\.|->|\+\+|--|&&|\|\||<<|>>|<=|>=|==|!=|[-+*/%&|^]=|.)
    ''', re.X | re.S)

Token = collections.namedtuple('Token', 'kind text start end')


def tokenize(text):
    tokens = []
    for match in TOKEN.finditer(text):
        if match.lastgroup not in ('space', 'directive'):
            tokens.append(Token(match.lastgroup, match.group(), match.start(), match.end()))
    return tokens


OPENING = {'(': ')', '[': ']', '{': '}'}


def match_brackets(tokens):
    """The index of the partner of each bracket."""
    partner, stack = {}, []
    for i, token in enumerate(tokens):
        if token.text in OPENING and token.kind == 'mark':
            stack.append(i)
        elif token.text in (')', ']', '}') and token.kind == 'mark' and stack:
            partner[stack[-1]] = i
            partner[i] = stack.pop()
    return partner


def bodies(tokens, partner):
    """(first, last) token of each function's body, its braces not included."""
    i = 0
    while i < len(tokens):
        if tokens[i].text == '{' and i in partner:
            if i and tokens[i - 1].text == ')':
                yield i + 1, partner[i]
            i = partner[i]
        i += 1


TYPES = set('''void char short int long unsigned signed bool size_t ssize_t loff_t gfp_t pgoff_t
    vm_fault_t bits_t pid_t off_t u8 u16 u32 u64 s8 s16 s32 s64 __u8 __u16 __u32 __u64 const
    static volatile struct union enum uint8_t uint16_t uint32_t uint64_t int32_t int64_t uintptr_t
    register extern typeof __typeof__ DEFINE_WAIT DEFINE_MUTEX LIST_HEAD BUILD_BUG_ON
    static_assert'''.split())
CONTROL = set('if for while do switch return goto break continue case default else'.split())
# What gives back, tells others, or ends something that was begun.
GIVES_BACK = re.compile(r'put|uncharge|free|wake|unlock|release|leave|enable|_up\b|up_|drop|sub|dec|unlink|'
                        r'unmap|remove|unregister|destroy|close|queue|complete|flush|sync|cancel|uncount')
BARRIER = re.compile(r'^(smp_.*mb.*|barrier|mb|rmb|wmb|atomic_signal_fence|atomic_thread_fence)$')


def is_declaration(tokens, i, end):
    if tokens[i].text in TYPES:
        return True
    if tokens[i].kind == 'word' and i + 1 < end:
        following = tokens[i + 1]
        if following.kind == 'word':
            return True
        if following.text == '*' and i + 2 < end and tokens[i + 2].kind == 'word' and \
           i + 3 < end and tokens[i + 3].text in ('=', ';', ','):
            return True
    return False


def statements(tokens, partner, first, last):
    """(first, end, after_label) of each simple statement of a body; end is after its ;."""
    i, after_label = first, False
    while i < last:
        text = tokens[i].text
        if tokens[i].kind in ('word', 'mark', 'number') and text not in '{};':
            if text in CONTROL:
                if text in ('if', 'for', 'while', 'switch') and tokens[i + 1].text == '(':
                    i = partner[i + 1] + 1
                    continue
                if text in ('else', 'do'):
                    i += 1
                    continue
                if text in ('case', 'default'):
                    while tokens[i].text != ':':
                        i += 1
                    i += 1
                    continue
            elif i + 1 < last and tokens[i + 1].text == ':' and tokens[i].kind == 'word':
                after_label = True
                i += 2
                continue
            end, j = None, i
            while j < last:
                if tokens[j].text in OPENING and j in partner:
                    j = partner[j]
                elif tokens[j].text == ';':
                    end = j + 1
                    break
                j += 1
            if end is None:
                return
            yield i, end, after_label
            i = end
            continue
        i += 1


# ---------------------------------------------------------------- mutants

Mutant = collections.namedtuple('Mutant', 'id file operator start end new')


class Source:
    def __init__(self, path, structs, flags):
        self.path = path
        with open(os.path.join(ROOT, path)) as stream:
            self.text = stream.read()
        self.tokens = tokenize(self.text)
        self.partner = match_brackets(self.tokens)
        self.structs, self.flags = structs, flags
        self.lines = [0]
        for match in re.finditer('\n', self.text):
            self.lines.append(match.end())
        self.found, self.numbers = [], collections.Counter()

    def add(self, operator, start, end, new):
        """Replace text[start:end] by @new; lines stay where they are."""
        old = self.text[start:end]
        missing = old.count('\n') - new.count('\n')
        line = bisect.bisect_right(self.lines, start)
        place = '%s:%d:%d:%s' % (self.path, line, start - self.lines[line - 1] + 1, operator)
        self.numbers[place] += 1
        if self.numbers[place] > 1:
            place += '.%d' % self.numbers[place]
        self.found.append(Mutant(place, self.path, operator, start, end, new + '\n' * missing))

    def span(self, i, j):
        """Where tokens i to j - 1 stand in the text."""
        return self.tokens[i].start, self.tokens[j - 1].end

    def of_statements(self, first, last):
        tokens = self.tokens
        for i, end, after_label in statements(tokens, self.partner, first, last):
            text = tokens[i].text
            start, stop = self.span(i, end)
            if text in ('return', 'break', 'continue'):
                if text != 'return':
                    self.add('delete', start, stop, ';')
                continue
            if text == 'goto':
                self.add('error-path', start, stop, ';')
                continue
            if is_declaration(tokens, i, end):
                continue
            if BARRIER.match(text):
                self.add('order', start, stop, ';')
            elif after_label:
                self.add('error-path', start, stop, ';')
            elif any(tokens[k].kind == 'word' and tokens[k + 1].text == '(' and
                     GIVES_BACK.search(tokens[k].text) for k in range(i, end - 1)):
                self.add('drop', start, stop, ';')
            else:
                self.add('delete', start, stop, ';')

    def of_calls(self, i):
        """Arguments that change places: those of one type compile without a word."""
        tokens, partner = self.tokens, self.partner
        if tokens[i].text in CONTROL or tokens[i].text in ('sizeof', '__attribute__'):
            return
        starts, j, close = [i + 2], i + 2, partner.get(i + 1)
        if close is None:
            return
        while j < close:
            if tokens[j].text in OPENING and j in partner:
                j = partner[j]
            elif tokens[j].text == ',':
                starts.append(j + 1)
            j += 1
        ends = [s - 1 for s in starts[1:]] + [close]
        for k in range(len(starts) - 1):
            if starts[k] >= ends[k] or starts[k + 1] >= ends[k + 1]:
                continue
            a = self.text[slice(*self.span(starts[k], ends[k]))]
            b = self.text[slice(*self.span(starts[k + 1], ends[k + 1]))]
            if a == b:
                continue
            start = self.span(starts[k], ends[k])[0]
            end = self.span(starts[k + 1], ends[k + 1])[1]
            self.add('swap', start, end, b + ', ' + a)

    ORDERS = (
        (re.compile(r'^smp_store_release$'), 'WRITE_ONCE'),
        (re.compile(r'^smp_load_acquire$'), 'READ_ONCE'),
        (re.compile(r'^(\w+)_(?:acquire|release)$'), r'\1_relaxed'),
        (re.compile(r'^((?:try_)?cmpxchg|xchg)$'), r'\1_relaxed'),
    )

    def of_orders(self, i):
        tokens = self.tokens
        for pattern, new in self.ORDERS:
            if not pattern.match(tokens[i].text):
                continue
            if new in ('WRITE_ONCE', 'READ_ONCE'):
                # They take the object, not its address.
                self.add('order', tokens[i].start, tokens[i + 2].start, new + '(*')
            elif tokens[i].text.startswith(('atomic', 'xchg', 'cmpxchg', 'try_cmpxchg')):
                text = pattern.sub(new, tokens[i].text)
                if re.match(r'atomic\w*_(read|set)_relaxed$', text):
                    text = text[:-len('_relaxed')]
                self.add('order', tokens[i].start, tokens[i].end, text)
            return

    def of_flags(self, i):
        tokens = self.tokens
        previous, following = tokens[i - 1], tokens[i + 1]
        if previous.text == '|' or following.text == '|':
            if previous.text == '|':
                self.add('flag', previous.start, tokens[i].end, '')
            else:
                self.add('flag', tokens[i].start, following.end, '')
            prefix = re.match(r'_*[A-Z]+(_[A-Z]+)?_', tokens[i].text)
            around = ' '.join(t.text for t in tokens[max(i - 12, 0):i + 13])
            others = sorted(f for f in self.flags.get(prefix.group(), ())
                            if not re.search(r'\b%s\b' % f, around)) if prefix else []
            if others:
                other = others[hash_of(self.path + str(i)) % len(others)]
                self.add('flag', tokens[i].start, tokens[i].end, tokens[i].text + ' | ' + other)
        if previous.text == '~' and tokens[i - 2].text == '&':
            self.add('flag', tokens[i - 2].start, tokens[i].end, '')

    def of_conditions(self, i):
        close = self.partner.get(i + 1)
        if close is None or close == i + 2:
            return
        start, end = self.span(i + 2, close)
        self.add('negate', start, end, '!(' + self.text[start:end] + ')')

    BOUNDS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>'}

    def of_token(self, i):
        token, following = self.tokens[i], self.tokens[i + 1]
        if token.kind == 'mark' and token.text in self.BOUNDS:
            self.add('bound', token.start, token.end, self.BOUNDS[token.text])
        elif token.kind == 'mark' and token.text in ('&&', '||'):
            self.add('logic', token.start, token.end, '||' if token.text == '&&' else '&&')
        elif token.kind == 'number':
            digits = re.sub('[uUlL]+$', '', token.text)
            octal = re.match(r'0\d+$', digits)
            value = int(digits, 8 if octal else 0)
            self.add('constant', token.start, token.end, '0%o' % (value + 1) if octal else str(value + 1))
        elif token.kind == 'word':
            if following.text == '(':
                if token.text in ('if', 'while'):
                    self.of_conditions(i)
                else:
                    self.of_orders(i)
                    self.of_calls(i)
            elif self.tokens[i - 1].text in ('->', '.'):
                for other in self.structs.get(token.text, ()):
                    self.add('field', token.start, token.end, other)
            elif re.match(r'_*[A-Z][A-Z0-9_]{3,}$', token.text):
                self.of_flags(i)

    def mutants(self):
        for first, last in bodies(self.tokens, self.partner):
            self.of_statements(first, last)
            for i in range(first, last - 1):
                self.of_token(i)
        return self.found


def hash_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


def read_structs(paths):
    """Field -> fields of the same type beside it, in any structure of these files."""
    neighbours = collections.defaultdict(set)
    for path in paths:
        with open(os.path.join(ROOT, path)) as stream:
            text = re.sub(r'/\*.*?\*/', '', stream.read(), flags=re.S)
        for body in re.findall(r'\bstruct\s+\w+\s*\{([^{}]*)\}', text):
            fields = []
            for line in body.split(';'):
                match = re.match(r'\s*((?:\w+\s+)*\w+[\s*]+)(\w+(?:\s*,\s*\w+)*)\s*(?:\w+\s*)*$', line)
                if match:
                    fields += [(' '.join(match.group(1).split()), name.strip())
                               for name in match.group(2).split(',')]
            for one, other in zip(fields, fields[1:]):
                if one[0] == other[0]:
                    neighbours[one[1]].add(other[1])
                    neighbours[other[1]].add(one[1])
    return {field: sorted(names) for field, names in neighbours.items()}


def read_flags(texts):
    flags = collections.defaultdict(set)
    for text in texts:
        for word in re.findall(r'\b_*[A-Z][A-Z0-9_]{3,}\b', text):
            prefix = re.match(r'_*[A-Z]+(_[A-Z]+)?_', word)
            if prefix and re.search(r'\|\s*%s\b|\b%s\s*\|' % (word, word), text):
                flags[prefix.group()].add(word)
    return flags


def all_mutants(area, globs=(), operators=()):
    rows = read_map()
    paths = [p for p in sources() if (row_of(rows, p) or ('',))[0] == area and row_of(rows, p)[2]]
    texts = []
    for path in paths:
        with open(os.path.join(ROOT, path)) as stream:
            texts.append(stream.read())
    structs, flags = read_structs(paths), read_flags(texts)
    found = []
    for path in paths:
        if not globs or any(fnmatch.fnmatch(path, g) or fnmatch.fnmatch(path, '*/' + g) for g in globs):
            found += Source(path, structs, flags).mutants()
    return [m for m in found if not operators or m.operator in operators]


def sampled(mutants, seed):
    """All of them in an order of the seed: operators take turns, so that none is rare."""
    chance = random.Random(seed)
    heaps = collections.defaultdict(list)
    for mutant in mutants:
        heaps[mutant.operator].append(mutant)
    for operator in sorted(heaps):
        chance.shuffle(heaps[operator])
    while heaps:
        names = sorted(heaps)
        chance.shuffle(names)
        for name in names:
            yield heaps[name].pop()
            if not heaps[name]:
                del heaps[name]
