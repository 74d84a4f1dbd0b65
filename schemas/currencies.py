"""The currencies that prices may have, and the digits of their minor units.

The table is list one of ISO 4217, as published on 1 January 2026 and contained in the package iso4217
1.16.20260101, without the codes that have no minor unit: precious metals, bond units, XDR, XSU, XUA, XTS and XXX.
The digits in CLDR, and so in Babel, are those of cash: they differ for some, such as HUF, IQD, IRR and LBP.
"""

from __future__ import annotations

_OTHER_DIGITS = 2
"""Digits of a code that the table lacks: a withdrawn one, or one that was stored before codes were checked."""

_CODES = {
    0: """
    BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
    """,
    2: """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
    CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD
    HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK
    MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
    RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
    USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: """
    BHD IQD JOD KWD LYD OMR TND
    """,
    4: """
    CLF UYW
    """,
}

MINOR_DIGITS = {code: digits for digits, codes in _CODES.items() for code in codes.split()}
"""Code → number of decimal digits of its minor unit: 2 for EUR, 0 for JPY."""

CURRENCY_WANTED = "a currency of ISO 4217 such as EUR is wanted"
"""Error message for a refused code."""


def is_currency(code: str) -> bool:
    """Whether a new price may have this currency: a current one of ISO 4217 that has a minor unit."""
    return code in MINOR_DIGITS


def minor_digits(code: str) -> int:
    """Number of decimal digits of amounts in this currency; two for a code that is not current."""
    return MINOR_DIGITS.get(code, _OTHER_DIGITS)
