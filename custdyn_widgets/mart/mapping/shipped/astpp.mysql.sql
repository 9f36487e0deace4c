-- ASTPP 6 on MySQL 8 or MariaDB 10.2 or newer; tested on MariaDB 10.11.
--
-- Based on: iNextrix/ASTPP, database/astpp-6.0.sql with astpp-6.0.1.sql.
-- Times: ASTPP stores UTC in DATETIME columns. TIMESTAMP columns need a session in UTC (SET time_zone = '+00:00').
--
-- Decisions
-- * Clients are the accounts of type 0 (customers) and 1 (resellers). Staff (-1, 2, 4), providers (3) and other types
--   are left out, and so are their transactions.
-- * Every amount and balance is in the base currency (system.base_currency): ASTPP converts them to an account's own
--   currency only on its pages. So the currency of every client is the base currency.
-- * Signs: a prepaid balance is what the client has; a postpaid one (posttoexternal = 1) is what the client owes. In
--   the mart, a positive balance always means that the client has money.
-- * Calls: cdrs.debit for customers and reseller_cdrs.debit for resellers. FREE calls and incoming LOCAL calls never
--   change a balance and are left out, and so are calls that cost nothing.
-- * Calls have no key: transaction_id is uniqueid and account, and a number if several calls share these. Two equal
--   rows are two calls, because each changed the balance. (With SQL_BIG_RESULT, such calls are found by sorting, ten
--   times as fast as with a temporary table.)
-- * A balance has 5 decimal places and a call has 6: the differences (up to 0.000005 a call) are in opening_balance.
-- * invoice_details with the charge type of a call, without an order or a payment, repeat the calls as a sum for an
--   invoice and are left out. The charge type DID with an order is the fee for a number.
-- * Lines that have not changed a balance are left out: those of unconfirmed manual invoices, and those with the same
--   balance before and after (credit for international calls).
-- * Refills: REFILL, Voucher, and INVPAY of customers (payments of invoices and orders). Other: INVPAY of resellers
--   (what their customers paid), COMMISSION, FUNDTRANSFER on both sides, POSTCHARGE, taxes, manual invoice lines,
--   and anything else.
-- * Packages: lines of an order (order_item_id holds orders.id). The first line has the set-up fee and the first period
--   in one amount: it becomes ":setup" (order_items.setup_fee) and ":period" (the rest). Renewals are those with the
--   description "... has been renewed." A credit reverses a fee and is a renewal with the opposite sign.
-- * payment_transaction and refill_coupon repeat invoice_details and are not read.
-- * opening_balance = current balance - sum of the ledger. It is needed because purged calls and lines stay in the
--   balance.
-- * Zero dates and the default 1000-01-01: a transaction without a date is left out (it is in opening_balance); an
--   account without a creation date exists from its first transaction, or from 1970-01-01 if there is none.
-- * A deleted account without a date is closed at its last transaction or, if there is none, at its creation.
-- * Company: company_name of the reseller, or its number if it has none; with "(id)" if several resellers have the same
--   name.
-- * Tags: the name of the rate group; a semicolon in it becomes a slash.
-- * ASTPP keeps only the current quotes. As on its own pages, they apply to all dates, so they are dated 1970-01-01. If
--   a currency is listed twice, its last quote counts. The column holds units per base, so nothing is inverted.
-- Nothing is rounded: ASTPP stores at most 6 places.

-- :name clients
WITH movement AS (
    SELECT accountid, -SUM(debit) AS amount, MIN(callstart) AS first_at, MAX(callstart) AS last_at
    FROM cdrs
    WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
      AND callstart >= '1970-01-01'
    GROUP BY accountid
    UNION ALL
    SELECT accountid, -SUM(debit), MIN(callstart), MAX(callstart)
    FROM reseller_cdrs
    WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
      AND callstart >= '1970-01-01'
    GROUP BY accountid
    UNION ALL
    SELECT accountid, SUM(credit - debit), MIN(created_date), MAX(created_date)
    FROM invoice_details
    WHERE NOT (charge_type IN ('STANDARD', 'DID', 'FREE', 'CALLINGCARD', 'FAX', 'LOCAL', 'BROADCAST')
               AND order_item_id = 0 AND payment_id = 0)
      AND NOT (debit <> credit AND REPLACE(before_balance, ',', '.') = REPLACE(after_balance, ',', '.')
               AND (generate_type = 1 OR before_balance <> '0'))
      AND created_date >= '1970-01-01'
    GROUP BY accountid
),
moved AS (
    SELECT accountid, SUM(amount) AS amount, MIN(first_at) AS first_at, MAX(last_at) AS last_at
    FROM movement
    GROUP BY accountid
),
reseller AS (
    SELECT id,
           CASE WHEN COUNT(*) OVER (PARTITION BY label) = 1 THEN label ELSE CONCAT(label, ' (', id, ')') END AS company
    FROM (SELECT id, COALESCE(NULLIF(TRIM(company_name), ''), number) AS label FROM accounts WHERE type = 1) labelled
),
account AS (
    SELECT a.*, CASE WHEN posttoexternal = 1 THEN -balance ELSE balance END AS stored,
           CAST(CASE WHEN creation >= '1970-01-01' THEN creation
                     ELSE COALESCE(m.first_at, '1970-01-01 00:00:00') END AS DATETIME) AS created_at,
           COALESCE(m.amount, 0) AS ledger, m.last_at
    FROM accounts a LEFT JOIN moved m ON m.accountid = a.id
    WHERE a.type IN (0, 1)
)
SELECT
    CAST(a.id AS CHAR) AS client_id,
    COALESCE(NULLIF(TRIM(CONCAT_WS(' ', TRIM(a.first_name), TRIM(a.last_name))), ''),
             NULLIF(TRIM(a.company_name), ''), a.number) AS name,
    CASE a.type WHEN 1 THEN 'reseller' ELSE 'client' END AS client_type,
    r.company,
    NULLIF(TRIM(REPLACE(p.name, ';', '/')), '') AS tags,
    (SELECT UPPER(TRIM(value)) FROM `system` WHERE name = 'base_currency' ORDER BY reseller_id, id LIMIT 1) AS currency,
    a.created_at,
    CAST(CASE WHEN a.deleted = 0 THEN NULL
              WHEN a.deleted_date >= '1970-01-01' THEN a.deleted_date
              ELSE GREATEST(a.created_at, COALESCE(a.last_at, a.created_at)) END AS DATETIME) AS closed_at,
    a.stored - a.ledger AS opening_balance,
    a.stored AS stored_balance
FROM account a
LEFT JOIN reseller r ON r.id = a.reseller_id
LEFT JOIN pricelists p ON p.id = a.pricelist_id;

-- :name transactions
WITH shared AS (
    SELECT SQL_BIG_RESULT uniqueid, accountid
    FROM cdrs
    WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
      AND callstart >= '1970-01-01'
    GROUP BY uniqueid, accountid
    HAVING COUNT(*) > 1
),
reseller_shared AS (
    SELECT SQL_BIG_RESULT uniqueid, accountid
    FROM reseller_cdrs
    WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
      AND callstart >= '1970-01-01'
    GROUP BY uniqueid, accountid
    HAVING COUNT(*) > 1
),
numbered AS (
    SELECT 'cdrs:' AS place, c.uniqueid, c.accountid, c.callstart, c.debit,
           ROW_NUMBER() OVER (PARTITION BY c.uniqueid, c.accountid
                              ORDER BY c.callstart, c.call_direction, c.callednum, c.debit) AS part
    FROM cdrs c JOIN shared s ON s.uniqueid = c.uniqueid AND s.accountid = c.accountid
    WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
      AND callstart >= '1970-01-01'
    UNION ALL
    SELECT 'reseller_cdrs:', c.uniqueid, c.accountid, c.callstart, c.debit,
           ROW_NUMBER() OVER (PARTITION BY c.uniqueid, c.accountid
                              ORDER BY c.callstart, c.call_direction, c.callednum, c.debit)
    FROM reseller_cdrs c JOIN reseller_shared s ON s.uniqueid = c.uniqueid AND s.accountid = c.accountid
    WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
      AND callstart >= '1970-01-01'
),
item AS (
    SELECT order_id, MIN(product_id) AS product_id, SUM(setup_fee) AS setup_fee
    FROM order_items
    GROUP BY order_id
),
line AS (
    SELECT d.id, d.accountid, d.created_date AS at, d.credit - d.debit AS amount, d.credit,
           i.product_id, COALESCE(i.setup_fee, 0) AS setup_fee,
           CASE WHEN d.charge_type = 'INVPAY' AND a.type = 1 THEN 'other'
                WHEN d.charge_type = 'REFILL' AND LOCATE('Fund has been sucessfully received', d.description) = 1
                THEN 'other'
                WHEN d.charge_type IN ('REFILL', 'Voucher', 'INVPAY')
                THEN CASE WHEN d.credit >= d.debit THEN 'refill' ELSE 'other' END
                WHEN d.charge_type IN ('COMMISSION', 'FUNDTRANSFER', 'POSTCHARGE', 'TAX') OR d.order_item_id = 0
                THEN 'other'
                WHEN d.credit > 0 OR LOCATE('has been renewed', d.description) > 0 THEN 'package_renewal'
                ELSE 'package_activation' END AS kind
    FROM invoice_details d
    JOIN accounts a ON a.id = d.accountid AND a.type IN (0, 1)
    LEFT JOIN item i ON i.order_id = d.order_item_id AND d.order_item_id > 0
    WHERE NOT (d.charge_type IN ('STANDARD', 'DID', 'FREE', 'CALLINGCARD', 'FAX', 'LOCAL', 'BROADCAST')
               AND d.order_item_id = 0 AND d.payment_id = 0)
      AND NOT (d.debit <> d.credit AND REPLACE(d.before_balance, ',', '.') = REPLACE(d.after_balance, ',', '.')
               AND (d.generate_type = 1 OR d.before_balance <> '0'))
      AND d.created_date >= '1970-01-01'
)
SELECT CONCAT('cdrs:', c.uniqueid, ':', c.accountid) AS transaction_id, CAST(c.accountid AS CHAR) AS client_id,
       c.callstart AS at, 'usage' AS kind, -c.debit AS amount, NULL AS package_id
FROM cdrs c
JOIN accounts a ON a.id = c.accountid AND a.type IN (0, 1)
LEFT JOIN shared s ON s.uniqueid = c.uniqueid AND s.accountid = c.accountid
WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
  AND callstart >= '1970-01-01' AND s.uniqueid IS NULL
UNION ALL
SELECT CONCAT('reseller_cdrs:', c.uniqueid, ':', c.accountid), CAST(c.accountid AS CHAR),
       c.callstart, 'usage', -c.debit, NULL
FROM reseller_cdrs c
JOIN accounts a ON a.id = c.accountid AND a.type IN (0, 1)
LEFT JOIN reseller_shared s ON s.uniqueid = c.uniqueid AND s.accountid = c.accountid
WHERE debit <> 0 AND calltype <> 'FREE' AND NOT (calltype = 'LOCAL' AND call_direction = 'inbound')
  AND callstart >= '1970-01-01' AND s.uniqueid IS NULL
UNION ALL
SELECT CONCAT(c.place, c.uniqueid, ':', c.accountid, CASE WHEN c.part > 1 THEN CONCAT(':', c.part) ELSE '' END),
       CAST(c.accountid AS CHAR), c.callstart, 'usage', -c.debit, NULL
FROM numbered c JOIN accounts a ON a.id = c.accountid AND a.type IN (0, 1)
UNION ALL
SELECT CONCAT('invoice_details:', id), CAST(accountid AS CHAR), at, kind, amount,
       CASE kind WHEN 'package_renewal' THEN CAST(product_id AS CHAR) END
FROM line
WHERE kind = 'package_renewal' OR (kind <> 'package_activation' AND amount <> 0)
UNION ALL
SELECT CONCAT('invoice_details:', id, ':setup'), CAST(accountid AS CHAR), at, kind,
       GREATEST(amount, -setup_fee), CAST(product_id AS CHAR)
FROM line
WHERE kind = 'package_activation'
UNION ALL
SELECT CONCAT('invoice_details:', id, ':period'), CAST(accountid AS CHAR), at, 'package_renewal',
       amount - GREATEST(amount, -setup_fee), CAST(product_id AS CHAR)
FROM line
WHERE kind = 'package_activation';

-- :name packages
SELECT CAST(p.id AS CHAR) AS package_id, p.name
FROM products p
UNION ALL
SELECT DISTINCT CAST(i.product_id AS CHAR), CONCAT('Product ', i.product_id)
FROM order_items i
WHERE NOT EXISTS (SELECT 1 FROM products p WHERE p.id = i.product_id);

-- :name companies
WITH reseller AS (
    SELECT id, reseller_id,
           CASE WHEN COUNT(*) OVER (PARTITION BY label) = 1 THEN label ELSE CONCAT(label, ' (', id, ')') END AS company
    FROM (
        SELECT id, reseller_id, COALESCE(NULLIF(TRIM(company_name), ''), number) AS label FROM accounts WHERE type = 1
    ) labelled
)
SELECT r.company, p.company AS parent
FROM reseller r LEFT JOIN reseller p ON p.id = r.reseller_id;

-- :name rates
WITH base AS (
    SELECT UPPER(TRIM(value)) AS base FROM `system` WHERE name = 'base_currency' ORDER BY reseller_id, id LIMIT 1
),
listed AS (
    SELECT UPPER(TRIM(currency)) AS currency, currencyrate,
           ROW_NUMBER() OVER (PARTITION BY UPPER(TRIM(currency)) ORDER BY last_updated DESC, id DESC) AS place
    FROM currency
    WHERE currencyrate > 0 AND UPPER(TRIM(currency)) REGEXP '^[A-Z][A-Z][A-Z]$'
)
SELECT l.currency, CAST('1970-01-01' AS DATE) AS date, l.currencyrate AS units_per_base, b.base
FROM listed l JOIN base b ON b.base <> l.currency
WHERE l.place = 1;

-- :count {n} accounts of staff and providers were left out.
SELECT COUNT(*) FROM accounts WHERE type NOT IN (0, 1) OR type IS NULL;

-- :count {n} calls of accounts that are not in this mart were left out.
SELECT (SELECT COUNT(*) FROM cdrs c LEFT JOIN accounts a ON a.id = c.accountid AND a.type IN (0, 1)
        WHERE a.id IS NULL AND c.debit <> 0)
     + (SELECT COUNT(*) FROM reseller_cdrs c LEFT JOIN accounts a ON a.id = c.accountid AND a.type IN (0, 1)
        WHERE a.id IS NULL AND c.debit <> 0);

-- :count {n} free calls with a price were left out: they have not changed a balance.
SELECT (SELECT COUNT(*) FROM cdrs
        WHERE debit <> 0 AND (calltype = 'FREE' OR (calltype = 'LOCAL' AND call_direction = 'inbound')))
     + (SELECT COUNT(*) FROM reseller_cdrs
        WHERE debit <> 0 AND (calltype = 'FREE' OR (calltype = 'LOCAL' AND call_direction = 'inbound')));

-- :count {n} calls that cost nothing were left out.
SELECT (SELECT COUNT(*) FROM cdrs WHERE debit = 0) + (SELECT COUNT(*) FROM reseller_cdrs WHERE debit = 0);

-- :count {n} invoice lines repeat the calls as a sum and were left out.
SELECT COUNT(*)
FROM invoice_details
WHERE charge_type IN ('STANDARD', 'DID', 'FREE', 'CALLINGCARD', 'FAX', 'LOCAL', 'BROADCAST')
  AND order_item_id = 0 AND payment_id = 0;

-- :count {n} invoice lines have not changed a balance and were left out.
SELECT COUNT(*)
FROM invoice_details
WHERE NOT (charge_type IN ('STANDARD', 'DID', 'FREE', 'CALLINGCARD', 'FAX', 'LOCAL', 'BROADCAST')
           AND order_item_id = 0 AND payment_id = 0)
  AND debit <> credit AND REPLACE(before_balance, ',', '.') = REPLACE(after_balance, ',', '.')
  AND (generate_type = 1 OR before_balance <> '0');

-- :count {n} invoice lines of accounts that are not in this mart were left out.
SELECT COUNT(*)
FROM invoice_details d LEFT JOIN accounts a ON a.id = d.accountid AND a.type IN (0, 1)
WHERE a.id IS NULL;

-- :count {n} transactions without a date were left out; they are part of the opening balance.
SELECT (SELECT COUNT(*) FROM cdrs WHERE callstart < '1970-01-01' AND debit <> 0 AND calltype <> 'FREE')
     + (SELECT COUNT(*) FROM reseller_cdrs WHERE callstart < '1970-01-01' AND debit <> 0 AND calltype <> 'FREE')
     + (SELECT COUNT(*) FROM invoice_details WHERE created_date < '1970-01-01' AND debit <> credit);

-- :count {n} calls share id and account with another call; they were numbered.
SELECT COALESCE(SUM(calls), 0)
FROM (
    SELECT SQL_BIG_RESULT COUNT(*) - 1 AS calls
    FROM cdrs
    WHERE debit <> 0
    GROUP BY uniqueid, accountid
    HAVING COUNT(*) > 1
    UNION ALL
    SELECT SQL_BIG_RESULT COUNT(*) - 1
    FROM reseller_cdrs
    WHERE debit <> 0
    GROUP BY uniqueid, accountid
    HAVING COUNT(*) > 1
) shared;

-- :count {n} accounts have no creation date; they exist from their first transaction.
SELECT COUNT(*) FROM accounts WHERE type IN (0, 1) AND creation < '1970-01-01';

-- :count {n} deleted accounts have no deletion date; they are closed at their last transaction.
SELECT COUNT(*) FROM accounts WHERE type IN (0, 1) AND deleted <> 0 AND deleted_date < '1970-01-01';

-- :count {n} accounts belong to a reseller that does not exist; they have no company.
SELECT COUNT(*)
FROM accounts a LEFT JOIN accounts r ON r.id = a.reseller_id AND r.type = 1
WHERE a.type IN (0, 1) AND a.reseller_id > 0 AND r.id IS NULL;

-- :count {n} accounts are shown in another currency on ASTPP's pages; amounts are in the base currency, as stored.
SELECT COUNT(*)
FROM accounts a JOIN currency c ON c.id = a.currency_id
WHERE a.type IN (0, 1) AND c.currency <> (
    SELECT TRIM(value) FROM `system` WHERE name = 'base_currency' ORDER BY reseller_id, id LIMIT 1
);

-- :count {n} quotes were left out: listed twice, not above 0, or without a three-letter code.
SELECT COUNT(*) - COUNT(DISTINCT CASE WHEN currencyrate > 0 AND UPPER(TRIM(currency)) REGEXP '^[A-Z][A-Z][A-Z]$'
                                      THEN UPPER(TRIM(currency)) END)
FROM currency;

-- :count {n} current quotes apply to all dates: ASTPP keeps no earlier ones.
SELECT COUNT(DISTINCT UPPER(TRIM(currency)))
FROM currency
WHERE currencyrate > 0 AND UPPER(TRIM(currency)) REGEXP '^[A-Z][A-Z][A-Z]$' AND TRIM(currency) <> (
    SELECT TRIM(value) FROM `system` WHERE name = 'base_currency' ORDER BY reseller_id, id LIMIT 1
);
