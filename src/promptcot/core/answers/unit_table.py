r"""The known units, the words that multiply a number, and the words that change its meaning.

A unit has dimensions with powers, and a scale in base units: metre, second, gram, cent, degree, bit. Scales are exact;
the yard and the pound are those of the international agreement of 1959.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

Dimensions = dict[str, int]
Size = Fraction | int

FACTORS = {
    **{"dozen": 12, "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12},
    **{"gross": 144, "k": 10**3, "lakh": 10**5, "lakhs": 10**5, "crore": 10**7, "crores": 10**7},
    **{"万": 10**4, "亿": 10**8},
}
PREFIXES = {"k": 3, "M": 6, "G": 9, "T": 12, "c": -2, "d": -1, "m": -3, "μ": -6, "n": -9, "p": -12}
LONG_PREFIXES = {"kilo": 3, "mega": 6, "giga": 9, "centi": -2, "deci": -1, "milli": -3, "micro": -6, "nano": -9}
_INCH, _POUND = Fraction(254, 10_000), Fraction(45_359_237, 100_000)
_HOUR, _DAY = 3600, 86_400

# name: dimensions, how many base units (metre, second, gram, cent, degree, bit, …), whether it takes prefixes
METRIC: Mapping[str, tuple[Dimensions, Size]] = {
    "m": ({"length": 1}, 1),
    "g": ({"mass": 1}, 1),
    "s": ({"time": 1}, 1),
    "L": ({"length": 3}, Fraction(1, 1000)),
    "l": ({"length": 3}, Fraction(1, 1000)),
    "Hz": ({"time": -1}, 1),
    "N": ({"mass": 1, "length": 1, "time": -2}, 1000),
    "J": ({"mass": 1, "length": 2, "time": -2}, 1000),
    "W": ({"mass": 1, "length": 2, "time": -3}, 1000),
    "Pa": ({"mass": 1, "length": -1, "time": -2}, 1000),
    "A": ({"current": 1}, 1),
    "C": ({"current": 1, "time": 1}, 1),
    "V": ({"mass": 1, "length": 2, "time": -3, "current": -1}, 1000),
    "eV": ({"electronvolt": 1}, 1),
    "K": ({"kelvin": 1}, 1),
    "mol": ({"amount": 1}, 1),
    "cal": ({"calorie": 1}, 1),
    "byte": ({"data": 1}, 8),
    "bit": ({"data": 1}, 1),
}
METRIC_WORDS = {
    "meter": "m", "metre": "m", "gram": "g", "gramme": "g", "liter": "L", "litre": "L", "hertz": "Hz", "newton": "N",
    "joule": "J", "watt": "W", "pascal": "Pa", "ampere": "A", "amp": "A", "coulomb": "C", "volt": "V", "kelvin": "K",
    "mole": "mol", "calorie": "cal", "electronvolt": "eV", "byte": "byte", "bit": "bit",
}  # fmt: skip
OTHERS: Mapping[str, tuple[Dimensions, Size]] = {
    **dict.fromkeys(("inch", "inches", "in"), ({"length": 1}, _INCH)),
    **dict.fromkeys(("foot", "feet", "ft"), ({"length": 1}, 12 * _INCH)),
    **dict.fromkeys(("yard", "yards", "yd", "yds"), ({"length": 1}, 36 * _INCH)),
    **dict.fromkeys(("mile", "miles", "mi"), ({"length": 1}, 63_360 * _INCH)),
    **dict.fromkeys(("mph",), ({"length": 1, "time": -1}, 63_360 * _INCH / _HOUR)),
    **dict.fromkeys(("kph", "kmh"), ({"length": 1, "time": -1}, Fraction(1000, _HOUR))),
    **dict.fromkeys(("acre", "acres"), ({"length": 2}, 4840 * (36 * _INCH) ** 2)),
    **dict.fromkeys(("hectare", "hectares", "ha"), ({"length": 2}, 10_000)),
    **dict.fromkeys(("gallon", "gallons", "gal"), ({"length": 3}, 231 * _INCH**3)),
    **dict.fromkeys(("quart", "quarts", "qt"), ({"length": 3}, 231 * _INCH**3 / 4)),
    **dict.fromkeys(("pint", "pints", "pt"), ({"length": 3}, 231 * _INCH**3 / 8)),
    **dict.fromkeys(("cup", "cups"), ({"length": 3}, 231 * _INCH**3 / 16)),
    **dict.fromkeys(("cc",), ({"length": 3}, Fraction(1, 10**6))),
    **dict.fromkeys(("second", "seconds", "sec", "secs"), ({"time": 1}, 1)),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), ({"time": 1}, 60)),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), ({"time": 1}, _HOUR)),
    **dict.fromkeys(("day", "days"), ({"time": 1}, _DAY)),
    **dict.fromkeys(("week", "weeks", "wk"), ({"time": 1}, 7 * _DAY)),
    **dict.fromkeys(("month", "months"), ({"month": 1}, 1)),
    **dict.fromkeys(("year", "years", "yr", "yrs"), ({"month": 1}, 12)),
    **dict.fromkeys(("pound", "pounds", "lb", "lbs"), ({"mass": 1}, _POUND)),
    **dict.fromkeys(("ounce", "ounces", "oz"), ({"mass": 1}, _POUND / 16)),
    **dict.fromkeys(("tonne", "tonnes", "ton", "tons", "t"), ({"mass": 1}, 10**6)),
    **dict.fromkeys(("dollar", "dollars", "usd"), ({"money": 1}, 100)),
    **dict.fromkeys(("cent", "cents", "penny", "pennies"), ({"money": 1}, 1)),
    **dict.fromkeys(("euro", "euros", "eur"), ({"euro": 1}, 1)),
    **dict.fromkeys(("degree", "degrees", "deg", r"\circ"), ({"angle": 1}, 1)),
    **dict.fromkeys(("radian", "radians", "rad"), ({"radian": 1}, 1)),
    **dict.fromkeys(("arcminute", "arcminutes", "arcmin"), ({"angle": 1}, Fraction(1, 60))),
    **dict.fromkeys(("arcsecond", "arcseconds", "arcsec"), ({"angle": 1}, Fraction(1, 3600))),
    **dict.fromkeys(("celsius", r"\circC"), ({"celsius": 1}, 1)),
    **dict.fromkeys(("fahrenheit", r"\circF"), ({"fahrenheit": 1}, 1)),
    **dict.fromkeys(("percent", "percentage", "pct", "%"), ({"percent": 1}, 1)),
    **dict.fromkeys(("厘米",), ({"length": 1}, Fraction(1, 100))),
    **dict.fromkeys(("米",), ({"length": 1}, 1)),
    **dict.fromkeys(("千米", "公里"), ({"length": 1}, 1000)),
    **dict.fromkeys(("平方厘米",), ({"length": 2}, Fraction(1, 10_000))),
    **dict.fromkeys(("平方米",), ({"length": 2}, 1)),
    **dict.fromkeys(("立方厘米",), ({"length": 3}, Fraction(1, 10**6))),
    **dict.fromkeys(("克",), ({"mass": 1}, 1)),
    **dict.fromkeys(("千克", "公斤"), ({"mass": 1}, 1000)),
    **dict.fromkeys(("秒",), ({"time": 1}, 1)),
    **dict.fromkeys(("分钟",), ({"time": 1}, 60)),
    **dict.fromkeys(("小时",), ({"time": 1}, _HOUR)),
    **dict.fromkeys(("天",), ({"time": 1}, _DAY)),
    **dict.fromkeys(("rpm",), ({"revolution": 1, "time": -1}, Fraction(1, 60))),
}

# These change the meaning of a number: 10 or fewer, 10 factorial, 10 p.m.
_CHANGING_WORDS = """
and or not no than at least most fewer more less greater under over above below approximately around roughly nearly
almost between to from up if when otherwise else unless except excluding including included inclusive exclusive
minus plus divided mod modulo factorial root square-root half halves third thirds quarter quarters fifth
fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths twelfths hundredth hundredths thousandth
thousandths dozens score pair-of double twice triple am pm a.m p.m o'clock noon midnight bc ad base only
even odd is are was were has have does do every where without
power powers recurring repeating repeated upward upwards downward downwards onward onwards beyond pi fail fails wrong
incorrect as binary ternary octal hexadecimal hex january february march april may june july august september october
november december
"""
CHANGING = frozenset(_CHANGING_WORDS.split())

# Symbols of units behind a number, not set as text. Behind letters, most could be a product of variables.
_SYMBOL_WORDS = """
mm cm dm km kg mg ml mL ft in yd mi mph kph min sec hr hrs lb lbs oz pt kW Hz kHz MHz GHz kJ kN rad deg
"""
SYMBOLS = frozenset(_SYMBOL_WORDS.split())
SYMBOLS_AFTER_LETTERS = frozenset({"mm", "cm", "km", "kg"})
