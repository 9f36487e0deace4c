"""Words that billing systems use in headings, file names and transaction kinds.

Comparisons ignore case, spaces, punctuation and a plural s.
"""

from __future__ import annotations

from collections.abc import Mapping

from custdyn_widgets.mart.reading.near_names import normalized_name

Words = Mapping[str, tuple[str, ...]]


def _words(text: str) -> Words:
    """Parse words: each line starts with a meaning and a colon, or continues the line above it."""
    found: dict[str, tuple[str, ...]] = {}
    meaning = ""
    for line in text.strip().splitlines():
        if ":" in line:
            meaning, _, line = line.partition(":")
        found[meaning] = (*found.get(meaning, ()), *line.split())
    return found


# For each column of a mart, the headings that match it, best first.
HEADINGS = _words("""
client_id: clientid customerid accountid subscriberid userid cardid clientno customerno accountno
    accountnumber customernumber clientnumber clientcode customercode client customer account subscriber user
    card cardnumber msisdn login username id no number code key
name: name fullname clientname customername accountname displayname title login
client_type: clienttype customertype accounttype usertype type category
company: company reseller resellername resellerid partner dealer agency parent
owner_user: owneruser owner manager accountmanager salesperson sales agent
tags: tags tag labels segment segments group groups
currency: currency currencycode curr ccy
created_at: createdat created createdutc creationdate createdon registered registrationdate opened openedat
    opendate signupdate signedup activated activationdate startdate since joined
closed_at: closedat closed closingdate closedon cancelled canceled cancelledat terminated terminationdate
    deactivated deactivatedat closedutc enddate deletedat deleted
opening_balance: openingbalance initialbalance startbalance startingbalance
stored_balance: balance currentbalance credit storedbalance balancenow
transaction_id: transactionid transactionno paymentid callid cdrid uniqueid recordid uuid guid invoiceid
    entryno entryid entrynumber documentno reference receiptno receipt id no number
at: at timestamp datetime transactiondate transactiontime paymentdate paidat paidon calldate starttime
    startedat callstart setuptime chargedat chargedon charged billedat billedon billed when date postingdate
    bookingdate documentdate valuedate feedate time createdat createdutc created
clock: time timeofday calltime starttime clock hour transactiontime paymenttime at started
debit: debit debitamount debits amountdebit dr withdrawal charges charge soll débit débito
credit: credit creditamount credits amountcredit cr deposit haben crédit crédito
kind: kind type transactiontype operation operationtype category description reason
amount: amount sum total cost price charge fee value debit credit paid revenue sessionbill totalcost
package_id: packageid package packagename plan planid planname bundle bundleid tariff product productid
    subscription service offer
package_name: name packagename planname title product tariff
date: date day ratedate quotedate validfrom at when
units_per_base: unitsperbase rate quote exchangerate value price close mid
pair: pair currencypair symbol ticker instrument
base: base basecurrency from fromcurrency
""")

TABLES = _words("""
clients: client customer account subscriber user card member
rates: rate quote fx exchange currency currencies
packages: package plan bundle tariff product offer
companies: company companies reseller partner dealer
""")

KINDS = _words("""
refill: refill topup payment deposit recharge voucher payin creditadded
package_activation: activation setup setupfee activationfee connectionfee
package_renewal: renewal renew subscription monthlyfee recurring package plan bundle packagefee
other: adjustment correction bonus tax interest transfer refund chargeback writeoff promo promotion
usage: usage call cdr sms traffic payg payasyougo minutes data charge
""")

CLIENT_TYPES = _words("""
client: client customer retail residential business user enduser subscriber
reseller: reseller agent partner dealer wholesale
calling_card: callingcard card prepaidcard
call_shop: callshop shop
""")


def meaning(value: str, words: Words) -> str | None:
    """Return a value's meaning: the key of the word that it equals or, failing that, contains."""
    plain = normalized_name(value)
    for key, of in words.items():
        if plain in of or plain.removesuffix("s") in of:
            return key
    return next((key for key, of in words.items() if any(len(w) > 3 and w in plain for w in of)), None)


def rank(heading: str, column: str) -> int | None:
    """Return how well a plain heading matches a column: 0 is the best match, and None means no match."""
    words = HEADINGS[column]
    return words.index(heading) if heading in words else None
