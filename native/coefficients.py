"""Polynomials and constants of the kernels. Written by scripts/coefficients.py; do not edit.

Coefficients stand constant first, as hexadecimal float64. Beside each polynomial: what it approximates,
where, and its largest error relative to exp(r) or to log1p, in exact arithmetic.
"""

from typing import Final

h = float.fromhex

#: log2(e)
LOG2_E: Final[float] = h("0x1.71547652b82fep+0")
#: ln 2; k times the first part is exact for |k| < 2^11
LN2: Final[tuple[float, float, float]] = (
    h("0x1.62e42fefa3800p-1"),
    h("0x1.ef35793c76730p-45"),
    h("0x1.f97b57a079a19p-103"),
)
#: ln 2
LN2_PAIR: Final[tuple[float, float]] = (
    h("0x1.62e42fefa39efp-1"),
    h("0x1.abc9e3b39803fp-56"),
)
#: 1/3!
INVERSE_FACTORIAL_3: Final[tuple[float, float]] = (
    h("0x1.5555555555555p-3"),
    h("0x1.5555555555555p-57"),
)
#: 1/4!
INVERSE_FACTORIAL_4: Final[tuple[float, float]] = (
    h("0x1.5555555555555p-5"),
    h("0x1.5555555555555p-59"),
)
#: 1/5!
INVERSE_FACTORIAL_5: Final[tuple[float, float]] = (
    h("0x1.1111111111111p-7"),
    h("0x1.1111111111111p-63"),
)
#: 1/6!
INVERSE_FACTORIAL_6: Final[tuple[float, float]] = (
    h("0x1.6c16c16c16c17p-10"),
    h("-0x1.f49f49f49f49fp-65"),
)
#: 1/7!
INVERSE_FACTORIAL_7: Final[tuple[float, float]] = (
    h("0x1.a01a01a01a01ap-13"),
    h("0x1.a01a01a01a01ap-73"),
)
#: 1/8!
INVERSE_FACTORIAL_8: Final[tuple[float, float]] = (
    h("0x1.a01a01a01a01ap-16"),
    h("0x1.a01a01a01a01ap-76"),
)
#: 1/3
THIRD: Final[tuple[float, float]] = (
    h("0x1.5555555555555p-2"),
    h("0x1.5555555555555p-56"),
)
#: 8 log2(e) in float32
EIGHTHS: Final[float] = h("0x1.7154760000000p+3")
#: ln(2)/8 as two float32; x - k times the first is exact for float32 x and the nearest k
EIGHTH: Final[tuple[float, float]] = (
    h("0x1.62e4300000000p-4"),
    h("-0x1.05c6100000000p-32"),
)
#: 2^(i/8) in float32
POWERS: Final[tuple[float, ...]] = (
    h("0x1.0000000000000p+0"),
    h("0x1.172b840000000p+0"),
    h("0x1.306fe00000000p+0"),
    h("0x1.4bfdae0000000p+0"),
    h("0x1.6a09e60000000p+0"),
    h("0x1.8ace540000000p+0"),
    h("0x1.ae89fa0000000p+0"),
    h("0x1.d5818e0000000p+0"),
)
#: what these lack, relative to them
POWERS_REST: Final[tuple[float, ...]] = (
    h("0x0.0p+0"),
    h("-0x1.9c0c220000000p-27"),
    h("0x1.1250020000000p-25"),
    h("-0x1.0a35500000000p-25"),
    h("0x1.26055c0000000p-26"),
    h("0x1.67a1ca0000000p-28"),
    h("-0x1.f9c3040000000p-27"),
    h("-0x1.a5217c0000000p-28"),
)
#: numbers near 7/(7+i) in float32
INVERSES: Final[tuple[float, ...]] = (
    h("0x1.0000000000000p+0"),
    h("0x1.c011980000000p-1"),
    h("0x1.8e51500000000p-1"),
    h("0x1.667e400000000p-1"),
    h("0x1.45d5b40000000p-1"),
    h("0x1.2ab4940000000p-1"),
    h("0x1.13b7280000000p-1"),
    h("0x1.00040c0000000p-1"),
)
#: minus their logarithms in float32, which err by 2^-35.2 at most
LOGARITHMS: Final[tuple[float, ...]] = (
    h("0x0.0p+0"),
    h("0x1.11287c0000000p-3"),
    h("0x1.0119c60000000p-2"),
    h("0x1.6cf8100000000p-2"),
    h("0x1.cec7d60000000p-2"),
    h("0x1.13e65c0000000p-1"),
    h("0x1.3ce7b40000000p-1"),
    h("0x1.62dc180000000p-1"),
)
#: exp(r), |r| <= ln(2)/2; error <= 2^-29.0
EXP_NEAR: Final[tuple[float, ...]] = (
    h("0x1.0000000260b72p+0"),
    h("0x1.0000009bfe51dp+0"),
    h("0x1.fffffaaeff79ap-2"),
    h("0x1.55540a7e79756p-3"),
    h("0x1.55589a69a0ae1p-5"),
    h("0x1.126d0bdf84124p-7"),
    h("0x1.6ab96d2ebd733p-10"),
)
#: (exp(r)-1-r)/r^2, |r| <= ln(2)/2; error <= 2^-34.1
EXP_SHORT: Final[tuple[float, ...]] = (
    h("0x1.0000003a1ccf8p-1"),
    h("0x1.555554438135dp-3"),
    h("0x1.55548dd72d9f7p-5"),
    h("0x1.11127071f5567p-7"),
    h("0x1.6d8cf40455f70p-10"),
    h("0x1.9f08baa75e3aap-13"),
)
#: (exp(r)-1-r)/r^2, |r| <= ln(2)/2; error <= 2^-45.7
EXP_LANE: Final[tuple[float, ...]] = (
    h("0x1.fffffffff13f3p-2"),
    h("0x1.5555555589f39p-3"),
    h("0x1.5555557deed86p-5"),
    h("0x1.1111108e1c9e9p-7"),
    h("0x1.6c163be9b66fap-10"),
    h("0x1.a01b73c591da5p-13"),
    h("0x1.a16e31c0d52fbp-16"),
    h("0x1.71013641425fcp-19"),
)
#: (exp(r)-1-r)/r^2, |r| <= ln(2)/2; error <= 2^-60.2
EXP_PAIR: Final[tuple[float, ...]] = (
    h("0x1.0000000000000p-1"),
    h("0x1.555555555555bp-3"),
    h("0x1.5555555555503p-5"),
    h("0x1.111111110ec65p-7"),
    h("0x1.6c16c16c3042bp-10"),
    h("0x1.a01a01b37b24fp-13"),
    h("0x1.a01a0136a311fp-16"),
    h("0x1.71ddf028ad573p-19"),
    h("0x1.27e5b42cf74b0p-22"),
    h("0x1.af6bd9e42e0a6p-26"),
    h("0x1.1e3d3efa84039p-29"),
)
#: tail of exp after r^8/8!, |r| <= ln(2)/2; error <= 2^-87.7
EXP_FULL: Final[tuple[float, ...]] = (
    h("0x1.71de3a556c732p-19"),
    h("0x1.27e4fb7789e8ap-22"),
    h("0x1.ae64567f56aeap-26"),
    h("0x1.1eed8f00b535bp-29"),
    h("0x1.61246126c1844p-33"),
    h("0x1.9397378691855p-37"),
    h("0x1.ae7fc846bbe95p-41"),
    h("0x1.af07a19c4d6f1p-45"),
    h("0x1.93fd0bf01ac1ap-49"),
)
#: (log1p(u)/u-1)/u, u in [0, 1]; error <= 2^-32.8
LOG_SHORT: Final[tuple[float, ...]] = (
    h("-0x1.fffffe66dae5ap-2"),
    h("0x1.5554f540e9828p-2"),
    h("-0x1.fff027dfc5a24p-3"),
    h("0x1.98f08c5271196p-3"),
    h("-0x1.512921ca3ef20p-3"),
    h("0x1.13841c6df622bp-3"),
    h("-0x1.a08d72a624c72p-4"),
    h("0x1.0841e48358e82p-4"),
    h("-0x1.f432d23abfb13p-6"),
    h("0x1.2e409fff2d773p-7"),
    h("-0x1.563adb155b3fep-10"),
)
#: (atanh(s)/s-1)/t, t in [0, 1/9], from log1p(u) = 2 atanh(s), s = u/(2+u), t = s^2; error <= 2^-43.6
LOG_LANE: Final[tuple[float, ...]] = (
    h("0x1.5555555638d7fp-2"),
    h("0x1.99999806c2075p-3"),
    h("0x1.2492c18af489bp-3"),
    h("0x1.c6fa74260566dp-4"),
    h("0x1.76e935645bd07p-4"),
    h("0x1.20a0201843ed3p-4"),
    h("0x1.99ef34ffaf745p-4"),
)
#: (atanh(s)/s-1-t/3)/t^2, t in [0, 1/9], from log1p(u) = 2 atanh(s), s = u/(2+u), t = s^2; error <= 2^-63.2
LOG_PAIR: Final[tuple[float, ...]] = (
    h("0x1.9999999999830p-3"),
    h("0x1.24924924ab2ffp-3"),
    h("0x1.c71c71b198079p-4"),
    h("0x1.745d1c38ad3d4p-4"),
    h("0x1.3b1301f19ccb8p-4"),
    h("0x1.11208645d954dp-4"),
    h("0x1.e01b5f78458e6p-5"),
    h("0x1.c00209cbe4c43p-5"),
    h("0x1.23b664ceab6ecp-5"),
    h("0x1.4d1becafa6c7dp-4"),
)
#: (atanh(s)/s-1-t/3)/t^2, |s| <= (sqrt(2)-1)/(sqrt(2)+1); error <= 2^-66.2
LOG_NEAR: Final[tuple[float, ...]] = (
    h("0x1.9999999999996p-3"),
    h("0x1.2492492493034p-3"),
    h("0x1.c71c71c5808e6p-4"),
    h("0x1.745d18324058dp-4"),
    h("0x1.3b1362bb01f05p-4"),
    h("0x1.1120b4e00c5f8p-4"),
    h("0x1.de338fb8d18e2p-5"),
    h("0x1.eb101c2b869d7p-5"),
)
#: (exp(r)-1-r)/r^2 in float32, |r| <= ln(2)/16; error <= 2^-32.2
EXP_SINGLE: Final[tuple[float, ...]] = (
    h("0x1.0000000000000p-1"),
    h("0x1.555c760000000p-3"),
    h("0x1.55480e0000000p-5"),
)
#: (log1p(s)-s+s^2/2)/(-s^3/2) in float32, s in [-0.0624, 0.0714]; error <= 2^-35.0
LOG_SINGLE: Final[tuple[float, ...]] = (
    h("-0x1.5555540000000p-1"),
    h("0x1.ffff500000000p-2"),
    h("-0x1.99a3ec0000000p-2"),
    h("0x1.5704620000000p-2"),
    h("-0x1.1da8b20000000p-2"),
)
