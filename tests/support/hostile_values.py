"""Values that a producer should never have been given, as a program for `hosts` that gives them all.

Each is made from a seed, used, and looked at afterwards: whatever we did to it would show in the program's output.
"""

from typing import Final

PROGRAM: Final = '''
import collections, decimal, enum, itertools, random, threading, types

SEED, NUMBER = int(os.environ["TEST_SEED"]), int(os.environ["TEST_VALUES"])
touched = []

class Touchy:
    """Whose every method tells that it was called, and then raises."""
    def _touch(self, *_, **__):
        touched.append(1)
        raise BaseException("touched")
    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __hash__ = __bool__ = __getattr__ = __float__ = _touch
    __int__ = __index__ = __call__ = __format__ = __enter__ = __next__ = __contains__ = __bytes__ = _touch
    __reduce__ = __reduce_ex__ = __copy__ = __deepcopy__ = __json__ = __get__ = __set__ = __lt__ = _touch

class TouchyText(str):
    __repr__ = __str__ = __len__ = __iter__ = encode = __format__ = Touchy._touch

class TouchyDict(dict):
    __repr__ = __iter__ = keys = items = values = __getitem__ = get = Touchy._touch

class TouchyList(list):
    __repr__ = __iter__ = __len__ = __getitem__ = Touchy._touch

class TouchyInt(int):
    __repr__ = __str__ = __int__ = __index__ = __format__ = Touchy._touch

class Meta(type):
    def __instancecheck__(cls, other): touched.append(1); raise BaseException("touched")
    def __getattribute__(cls, name):
        if name in ("__class__", "__mro__", "__dict__"): touched.append(1); raise BaseException("touched")
        return type.__getattribute__(cls, name)

class OfMeta(metaclass=Meta):
    pass

class Locked:
    """Which can only be read by whoever does not hold its lock."""
    lock = threading.Lock()
    def __repr__(self):
        with self.lock: return "locked"
    __str__ = __repr__

class Slow:
    def __repr__(self): time.sleep(60)

class Colour(enum.Enum):
    RED = Touchy

def nested(kind, depth):
    value = []
    for _ in range(depth): value = [value] if kind else {"x": value}
    return value

def recursive():
    value = {"a": []}
    value["a"].append(value)
    return value

def changing():
    """A map that another thread changes while it is read."""
    value = {n: n for n in range(200)}
    def change():
        for n in range(3_000):
            value[n] = n
            value.pop(n - 150, None)
    threading.Thread(target=change, daemon=True).start()
    return value

def generator():
    for n in range(3): yield n

MAKERS = [
    Touchy, TouchyText, lambda: TouchyDict(a=1), lambda: TouchyList([1]), lambda: TouchyInt(7), OfMeta, Locked, Slow,
    lambda: Touchy, lambda: Colour, lambda: nested(True, 50_000), lambda: nested(False, 50_000), recursive, changing,
    generator, lambda: (n for n in range(10**9)), lambda: itertools.count(), lambda: iter([1, 2]), lambda: map(str, [1]),
    lambda: "x" * 5_000_000, lambda: b"y" * 5_000_000, lambda: list(range(300_000)),
    lambda: {str(n): n for n in range(100_000)}, lambda: 10**10_000, lambda: -(1 << 63) - 1, lambda: float("nan"),
    lambda: float("-inf"), lambda: decimal.Decimal("sNaN"), lambda: decimal.Decimal("1e999999"), lambda: "\\ud800",
    lambda: "a\\0b", lambda: {"\\ud800": 1}, lambda: {Touchy: 1}, lambda: {1: 2, None: 3, (1, 2): 4},
    lambda: memoryview(b"abc"), lambda: sys.stdout, lambda: sys.modules, lambda: object(), lambda: types.SimpleNamespace(a=Touchy()),
    lambda: collections.defaultdict(Touchy._touch), lambda: collections.UserDict(a=1), lambda: threading.Lock(),
    lambda: lambda: 1 / 0, lambda: open(os.devnull), lambda: KeyError(Touchy()), lambda: range(10**12), lambda: ...,
    lambda: NotImplemented, lambda: frozenset([1]), lambda: {1, 2}, lambda: 1j, lambda: type("T", (), {"__slots__": ("a",)})(),
]

rng = random.Random(SEED)
US = bool(os.environ.get("TEST_TOLD"))

def use(value, number):
    """Give it wherever a value may be given."""
    if not US:
        return
    places = rng_us.sample(["detail", "attribute", "key", "skip", "object", "name", "usage", "raise", "deadline"], 4)
    given = {}
    if "attribute" in places: given["attributes"] = {"v": value, "w": [value]} if number % 3 else value
    if "key" in places: given["keys"] = {"k": value} if number % 3 else value
    if "deadline" in places: given["deadline"] = value
    with flowtrail.transaction("order" if "name" not in places else value, value if "object" in places else str(number), **given) as order:
        try:
            with order.block(value if "name" in places else "map") as block:
                if "detail" in places: block.detail(one=value, more={"deep": [value]})
                if "usage" in places: block.usage(cpu_seconds=value)
                if "skip" in places: block.skip("why", expected=value, actual=[value])
                if "raise" in places: raise ValueError(value)
        except ValueError:
            pass

rng_us = random.Random(SEED + 1)
for number in range(NUMBER):
    maker = MAKERS[number % len(MAKERS)] if number < len(MAKERS) else rng.choice(MAKERS)
    value = maker()
    if maker is Locked:
        with Locked.lock: use(value, number)
    else:
        use(value, number)
    if isinstance(value, types.GeneratorType) and maker is generator: print(number, list(value))
    if maker is recursive: print(number, value)
    print(number, maker.__name__, len(touched))
    del value
print("touched", len(touched))
sys.exit(3)
'''
