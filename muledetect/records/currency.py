"""ISO 4217: which currency codes exist, and how many decimals each has."""

from __future__ import annotations

from typing import Final

from muledetect.errors import OptionError
from muledetect.schema import did_you_mean

_TWO: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
    "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
    "MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
    "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR: Final = "CLF UYW"

#: Decimals of the minor unit by currency code: THB 2 (satang), JPY 0, KWD 3.
EXPONENTS: Final[dict[str, int]] = {
    code: exponent for exponent, codes in ((2, _TWO), (0, _NONE), (3, _THREE), (4, _FOUR)) for code in codes.split()
}


def exponent_of(currency: str) -> int:
    """Return the number of decimals of a currency; a code that is not in ISO 4217 is an OptionError."""
    if currency not in EXPONENTS:
        hint = did_you_mean(str(currency).upper(), list(EXPONENTS))
        raise OptionError(f"currency: {currency!r} is not an ISO 4217 code such as THB.{hint}")
    return EXPONENTS[currency]


def decimals_of(currency: str) -> int:
    """Return the decimals of a currency, 0 for one that nobody stated (""), whose amounts stay minor units."""
    return exponent_of(currency) if currency else 0


def format_amount(amount: int, currency: str) -> str:
    """Return minor units as an exact amount with separators; of an unknown currency ("") they stay minor units.

    >>> format_amount(123456789, "THB"), format_amount(-5, "KWD"), format_amount(1234567, "")
    ('1,234,567.89', '-0.005', '1,234,567')
    """
    return format_units(amount, decimals_of(currency))


def format_units(amount: int, decimals: int) -> str:
    """Return an integer with separators, its last `decimals` digits behind the mark; exact for any size.

    >>> format_units(-1_234_567, 2)
    '-12,345.67'
    """
    whole, rest = divmod(abs(int(amount)), 10**decimals)
    return f"{'-' if amount < 0 else ''}{whole:,}" + (f".{rest:0{decimals}d}" if decimals else "")


def unit_of(currency: str) -> str:
    """Return in what `format_amount` gives amounts: the currency, or "minor units" of an unknown one."""
    return currency or "minor units"
