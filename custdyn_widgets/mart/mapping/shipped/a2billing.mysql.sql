-- A2Billing 2 on MariaDB 10.2 or newer, or MySQL 8; tested on MariaDB 10.11.
--
-- Based on: Star2Billing/a2billing, DataBase/mysql-5.x: the schema of 1.4.0 with all updates up to 2.3.0.
-- Times: TIMESTAMP columns, so the session must be in UTC (SET time_zone = '+00:00').
-- Tables are MyISAM, which has no snapshots: a call that ends during a sync may be in the credit but not in the ledger,
-- or vice versa. The next sync corrects this.
--
-- Decisions
-- * Clients are cards (cc_card; client_id is the id) and agents (cc_agent, resellers; client_id is "agent:" and the
--   id). Archived cards (cc_card_archive) are closed clients.
-- * Every amount and balance is in the base currency (cc_config.base_currency): A2Billing converts them to a card's own
--   currency only for display. So the currency of every client is the base currency.
-- * Signs: credit is what the client has, even if a credit limit lets it go below 0 (typepaid = 1).
-- * Refills: cc_logrefill (and cc_logrefill_agent) of types 0 and 3 with amounts above 0. Corrections (1), extra fees
--   (2) and amounts below 0 are "other". Vouchers have no row there, so cc_voucher is read and converted to the base
--   currency at the current quote. cc_logpayment repeats refills and is not read.
-- * A refill by an agent is taken from the agent: a second row ":agent" of kind "other" has the opposite sign.
--   Commissions (cc_agent_commission) move cc_agent.com_balance, not credit, and are not read.
-- * Calls: sessionbill of cc_call and cc_call_archive; calls that cost nothing are left out; a call with a negative
--   cost adds to the credit. Archiving gives a call another id, so transaction_id is uniqueid, card and start, and a
--   number if several calls share these. Two equal rows are two calls, because each changed the credit.
-- * Charges (cc_charge) count only if charged_status = 1: others have not changed the credit. (The first month of a
--   number bought on A2Billing's pages has another status, although it was charged: it is in opening_balance.) Types 1
--   and 2 (numbers) are usage, 3 is the renewal of a subscription, others are "other".
-- * A2Billing has no set-up fee: a subscription that started is an activation of 0, and each fee is a renewal.
-- * FLOAT columns (sessionbill, amount, voucher credit) hold about 7 digits: an amount is the decimal that they
--   represent, with 6 places below 16, 5 below 128, 4 below 1,024, 3 below 16,384, else 2. Text of such a column has
--   only 6 digits, so it is not used. Voucher amounts are rounded half up to 5 places, as the credit is.
-- * The credit has 5 decimal places and a call has 6: the differences (up to 0.000005 a call) are in opening_balance.
-- * opening_balance = current credit - sum of the ledger. It is needed because a credit set at creation has no row.
-- * Zero dates: a transaction without a date is left out (it is in opening_balance); a card without a creation date
--   exists from its first transaction, or from 1970-01-01 if there is none.
-- * Cancelled (status 0) and archived cards have no date: they are closed at their last transaction or, if there is
--   none, at their creation. Expired and suspended cards are not closed. Deleted cards no longer exist in the database:
--   their rows are left out.
-- * Company: the agent of the card's group: its company, or its login if it has none; with "(id)" if several agents
--   have the same name.
-- * Tags: the tag of the card and the name of its group; a semicolon in one becomes a slash.
-- * cc_currencies stores the base per unit, with 5 places. units_per_base is its inverse, by a DECIMAL division rounded
--   to 18 places; never write 1 / value, which has only 4. A2Billing keeps only the current quotes: as on its own
--   pages, they apply to all dates, so they are dated 1970-01-01. Quotes of 0 are left out. Codes are unique.

-- :name clients
WITH used AS (
    SELECT c.id AS card_id, v.usedate AS at, m.value,
           CAST(ROUND(v.credit, CASE WHEN ABS(v.credit) < 16 THEN 6 WHEN ABS(v.credit) < 128 THEN 5
                                     WHEN ABS(v.credit) < 1024 THEN 4 WHEN ABS(v.credit) < 16384 THEN 3 ELSE 2 END)
                AS DECIMAL(20, 6)) AS credit
    FROM cc_voucher v
    JOIN (SELECT id, username FROM cc_card UNION SELECT id, username FROM cc_card_archive) c
        ON c.username = v.usedcardnumber
    JOIN cc_currencies m ON m.currency = UPPER(v.currency)
),
movement AS (
    SELECT card_id,
           -SUM(CAST(ROUND(sessionbill, CASE WHEN ABS(sessionbill) < 16 THEN 6 WHEN ABS(sessionbill) < 128 THEN 5
                                              WHEN ABS(sessionbill) < 1024 THEN 4
                                              WHEN ABS(sessionbill) < 16384 THEN 3 ELSE 2 END)
                      AS DECIMAL(20, 6))) AS amount,
           MIN(starttime) AS first_at, MAX(starttime) AS last_at
    FROM cc_call
    WHERE sessionbill <> 0 AND starttime >= '1970-01-02'
    GROUP BY card_id
    UNION ALL
    SELECT card_id,
           -SUM(CAST(ROUND(sessionbill, CASE WHEN ABS(sessionbill) < 16 THEN 6 WHEN ABS(sessionbill) < 128 THEN 5
                                              WHEN ABS(sessionbill) < 1024 THEN 4
                                              WHEN ABS(sessionbill) < 16384 THEN 3 ELSE 2 END)
                      AS DECIMAL(20, 6))),
           MIN(starttime), MAX(starttime)
    FROM cc_call_archive
    WHERE sessionbill <> 0 AND starttime >= '1970-01-02'
    GROUP BY card_id
    UNION ALL
    SELECT id_cc_card,
           -SUM(CAST(ROUND(amount, CASE WHEN ABS(amount) < 16 THEN 6 WHEN ABS(amount) < 128 THEN 5
                                              WHEN ABS(amount) < 1024 THEN 4 WHEN ABS(amount) < 16384 THEN 3 ELSE 2 END)
                      AS DECIMAL(20, 6))),
           MIN(creationdate), MAX(creationdate)
    FROM cc_charge
    WHERE charged_status = 1 AND creationdate >= '1970-01-02'
    GROUP BY id_cc_card
    UNION ALL
    SELECT card_id, SUM(credit), MIN(date), MAX(date) FROM cc_logrefill WHERE date >= '1970-01-02' GROUP BY card_id
    UNION ALL
    SELECT card_id, SUM(ROUND(credit * value, 5)), MIN(at), MAX(at) FROM used WHERE at >= '1970-01-02' GROUP BY card_id
),
moved AS (
    SELECT card_id, SUM(amount) AS amount, MIN(first_at) AS first_at, MAX(last_at) AS last_at
    FROM movement
    GROUP BY card_id
),
agent_moved AS (
    SELECT agent_id, SUM(amount) AS amount, MIN(at) AS first_at
    FROM (
        SELECT agent_id, date AS at, credit AS amount FROM cc_logrefill_agent
        UNION ALL
        SELECT agent_id, date, -credit FROM cc_logrefill WHERE agent_id > 0
    ) either
    WHERE at >= '1970-01-02'
    GROUP BY agent_id
),
agent AS (
    SELECT id,
           CASE WHEN COUNT(*) OVER (PARTITION BY label) = 1 THEN label ELSE CONCAT(label, ' (', id, ')') END AS company
    FROM (SELECT id, COALESCE(NULLIF(TRIM(company), ''), login) AS label FROM cc_agent) labelled
),
card AS (
    SELECT id, creationdate, username, credit, firstname, lastname, company_name, tag, id_group, status = 0 AS is_closed
    FROM cc_card
    UNION ALL
    SELECT id, creationdate, username, credit, firstname, lastname, company_name, tag, id_group, 1
    FROM cc_card_archive a
    WHERE NOT EXISTS (SELECT 1 FROM cc_card c WHERE c.id = a.id)
),
base AS (
    SELECT UPPER(TRIM(config_value)) AS currency FROM cc_config WHERE config_key = 'base_currency' ORDER BY id LIMIT 1
),
dated AS (
    SELECT c.*, COALESCE(m.amount, 0) AS ledger, m.last_at,
           CAST(CASE WHEN c.creationdate >= '1970-01-02' THEN c.creationdate
                     ELSE COALESCE(m.first_at, '1970-01-01 00:00:00') END AS DATETIME) AS created_at
    FROM card c LEFT JOIN moved m ON m.card_id = c.id
)
SELECT
    CAST(c.id AS CHAR) AS client_id,
    COALESCE(NULLIF(TRIM(CONCAT_WS(' ', TRIM(c.firstname), TRIM(c.lastname))), ''), NULLIF(TRIM(c.company_name), ''),
             c.username) AS name,
    'client' AS client_type,
    a.company,
    NULLIF(CONCAT_WS(';', NULLIF(TRIM(REPLACE(c.tag, ';', '/')), ''), NULLIF(TRIM(REPLACE(g.name, ';', '/')), '')), '')
        AS tags,
    (SELECT currency FROM base) AS currency,
    c.created_at,
    CAST(CASE WHEN c.is_closed THEN GREATEST(c.created_at, COALESCE(c.last_at, c.created_at)) END AS DATETIME)
        AS closed_at,
    c.credit - c.ledger AS opening_balance,
    c.credit AS stored_balance
FROM dated c
LEFT JOIN cc_card_group g ON g.id = c.id_group
LEFT JOIN agent a ON a.id = g.id_agent
UNION ALL
SELECT
    CONCAT('agent:', g.id),
    COALESCE(NULLIF(TRIM(CONCAT_WS(' ', TRIM(g.firstname), TRIM(g.lastname))), ''), NULLIF(TRIM(g.company), ''),
             g.login),
    'reseller',
    NULL,
    NULL,
    (SELECT currency FROM base),
    CAST(CASE WHEN g.datecreation >= '1970-01-02' THEN g.datecreation
              ELSE COALESCE(m.first_at, '1970-01-01 00:00:00') END AS DATETIME),
    NULL,
    g.credit - COALESCE(m.amount, 0),
    g.credit
FROM cc_agent g LEFT JOIN agent_moved m ON m.agent_id = g.id;

-- :name transactions
WITH card AS (
    SELECT id, username FROM cc_card UNION SELECT id, username FROM cc_card_archive
),
shared AS (
    SELECT SQL_BIG_RESULT uniqueid, card_id, starttime
    FROM (
        SELECT uniqueid, card_id, starttime FROM cc_call WHERE sessionbill <> 0
        UNION ALL
        SELECT uniqueid, card_id, starttime FROM cc_call_archive WHERE sessionbill <> 0
    ) every
    GROUP BY uniqueid, card_id, starttime
    HAVING COUNT(*) > 1
),
numbered AS (
    SELECT archived, id, ROW_NUMBER() OVER (PARTITION BY uniqueid, card_id, starttime
                                            ORDER BY sessionid, calledstation, sessionbill) AS part
    FROM (
        SELECT 0 AS archived, c.id, c.uniqueid, c.card_id, c.starttime, c.sessionid, c.calledstation, c.sessionbill
        FROM cc_call c
        JOIN shared s ON s.uniqueid = c.uniqueid AND s.card_id = c.card_id AND s.starttime = c.starttime
        WHERE c.sessionbill <> 0
        UNION ALL
        SELECT 1, c.id, c.uniqueid, c.card_id, c.starttime, c.sessionid, c.calledstation, c.sessionbill
        FROM cc_call_archive c
        JOIN shared s ON s.uniqueid = c.uniqueid AND s.card_id = c.card_id AND s.starttime = c.starttime
        WHERE c.sessionbill <> 0
    ) every
)
SELECT CONCAT('cc_call:', p.uniqueid, ':', p.card_id, ':', p.starttime + 0,
              CASE WHEN n.part > 1 THEN CONCAT(':', n.part) ELSE '' END) AS transaction_id,
       CAST(p.card_id AS CHAR) AS client_id, p.starttime AS at, 'usage' AS kind,
       -CAST(ROUND(p.sessionbill, CASE WHEN ABS(p.sessionbill) < 16 THEN 6 WHEN ABS(p.sessionbill) < 128 THEN 5
                                       WHEN ABS(p.sessionbill) < 1024 THEN 4
                                       WHEN ABS(p.sessionbill) < 16384 THEN 3 ELSE 2 END)
             AS DECIMAL(20, 6)) AS amount, NULL AS package_id
FROM cc_call p
JOIN card c ON c.id = p.card_id
LEFT JOIN numbered n ON n.archived = 0 AND n.id = p.id
WHERE p.sessionbill <> 0 AND p.starttime >= '1970-01-02'
UNION ALL
SELECT CONCAT('cc_call:', p.uniqueid, ':', p.card_id, ':', p.starttime + 0,
              CASE WHEN n.part > 1 THEN CONCAT(':', n.part) ELSE '' END),
       CAST(p.card_id AS CHAR), p.starttime, 'usage',
       -CAST(ROUND(p.sessionbill, CASE WHEN ABS(p.sessionbill) < 16 THEN 6 WHEN ABS(p.sessionbill) < 128 THEN 5
                                       WHEN ABS(p.sessionbill) < 1024 THEN 4
                                       WHEN ABS(p.sessionbill) < 16384 THEN 3 ELSE 2 END)
             AS DECIMAL(20, 6)), NULL
FROM cc_call_archive p
JOIN card c ON c.id = p.card_id
LEFT JOIN numbered n ON n.archived = 1 AND n.id = p.id
WHERE p.sessionbill <> 0 AND p.starttime >= '1970-01-02'
UNION ALL
SELECT CONCAT('cc_charge:', p.id), CAST(p.id_cc_card AS CHAR), p.creationdate,
       CASE WHEN p.chargetype IN (1, 2) THEN 'usage' WHEN p.chargetype = 3 THEN 'package_renewal' ELSE 'other' END,
       -CAST(ROUND(p.amount, CASE WHEN ABS(p.amount) < 16 THEN 6 WHEN ABS(p.amount) < 128 THEN 5
                                       WHEN ABS(p.amount) < 1024 THEN 4 WHEN ABS(p.amount) < 16384 THEN 3 ELSE 2 END)
             AS DECIMAL(20, 6)),
       CASE p.chargetype WHEN 3 THEN CAST(s.id_subscription_fee AS CHAR) END
FROM cc_charge p
JOIN card c ON c.id = p.id_cc_card
LEFT JOIN cc_card_subscription s ON s.id = p.id_cc_card_subscription
WHERE p.charged_status = 1 AND p.creationdate >= '1970-01-02' AND (p.amount <> 0 OR p.chargetype = 3)
UNION ALL
SELECT CONCAT('cc_logrefill:', r.id), CAST(r.card_id AS CHAR), r.date,
       CASE WHEN r.refill_type IN (0, 3) AND r.credit > 0 THEN 'refill' ELSE 'other' END, r.credit, NULL
FROM cc_logrefill r
JOIN card c ON c.id = r.card_id
WHERE r.credit <> 0 AND r.date >= '1970-01-02'
UNION ALL
SELECT CONCAT('cc_logrefill:', r.id, ':agent'), CONCAT('agent:', r.agent_id), r.date, 'other', -r.credit, NULL
FROM cc_logrefill r
JOIN cc_agent g ON g.id = r.agent_id
WHERE r.credit <> 0 AND r.date >= '1970-01-02'
UNION ALL
SELECT CONCAT('cc_logrefill_agent:', r.id), CONCAT('agent:', r.agent_id), r.date,
       CASE WHEN r.refill_type IN (0, 3) AND r.credit > 0 THEN 'refill' ELSE 'other' END, r.credit, NULL
FROM cc_logrefill_agent r
JOIN cc_agent g ON g.id = r.agent_id
WHERE r.credit <> 0 AND r.date >= '1970-01-02'
UNION ALL
SELECT CONCAT('cc_voucher:', v.id), CAST(c.id AS CHAR), v.usedate, 'refill',
       ROUND(CAST(ROUND(v.credit, CASE WHEN ABS(v.credit) < 16 THEN 6 WHEN ABS(v.credit) < 128 THEN 5
                                       WHEN ABS(v.credit) < 1024 THEN 4 WHEN ABS(v.credit) < 16384 THEN 3 ELSE 2 END)
                  AS DECIMAL(20, 6)) * m.value, 5), NULL
FROM cc_voucher v
JOIN card c ON c.username = v.usedcardnumber
JOIN cc_currencies m ON m.currency = UPPER(v.currency)
WHERE v.credit <> 0 AND v.usedate >= '1970-01-02'
UNION ALL
SELECT CONCAT('cc_card_subscription:', s.id), CAST(s.id_cc_card AS CHAR), s.startdate, 'package_activation', 0,
       CAST(s.id_subscription_fee AS CHAR)
FROM cc_card_subscription s
JOIN card c ON c.id = s.id_cc_card
WHERE s.startdate >= '1970-01-02' AND s.startdate <= CURRENT_TIMESTAMP;

-- :name packages
SELECT CAST(id AS CHAR) AS package_id, label AS name
FROM cc_subscription_service
UNION ALL
SELECT CAST(s.id_subscription_fee AS CHAR), COALESCE(MAX(NULLIF(TRIM(s.product_name), '')), s.id_subscription_fee)
FROM cc_card_subscription s
WHERE s.id_subscription_fee IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM cc_subscription_service p WHERE p.id = s.id_subscription_fee)
GROUP BY s.id_subscription_fee;

-- :name companies
SELECT CASE WHEN COUNT(*) OVER (PARTITION BY label) = 1 THEN label ELSE CONCAT(label, ' (', id, ')') END AS company
FROM (SELECT id, COALESCE(NULLIF(TRIM(company), ''), login) AS label FROM cc_agent) labelled;

-- :name rates
WITH base AS (
    SELECT UPPER(TRIM(config_value)) AS currency FROM cc_config WHERE config_key = 'base_currency' ORDER BY id LIMIT 1
)
SELECT UPPER(m.currency) AS currency, CAST('1970-01-01' AS DATE) AS date,
       CAST(CAST(1 AS DECIMAL(38, 24)) / m.value AS DECIMAL(38, 18)) AS units_per_base, b.currency AS base
FROM cc_currencies m JOIN base b ON b.currency <> UPPER(m.currency)
WHERE m.value > 0 AND UPPER(m.currency) REGEXP '^[A-Z][A-Z][A-Z]$';

-- :count {n} rows belong to cards or agents that no longer exist and were left out.
SELECT (SELECT COUNT(*) FROM cc_call WHERE sessionbill <> 0
        AND card_id NOT IN (SELECT id FROM cc_card UNION SELECT id FROM cc_card_archive))
     + (SELECT COUNT(*) FROM cc_call_archive WHERE sessionbill <> 0
        AND card_id NOT IN (SELECT id FROM cc_card UNION SELECT id FROM cc_card_archive))
     + (SELECT COUNT(*) FROM cc_charge WHERE charged_status = 1
        AND id_cc_card NOT IN (SELECT id FROM cc_card UNION SELECT id FROM cc_card_archive))
     + (SELECT COUNT(*) FROM cc_logrefill WHERE credit <> 0
        AND card_id NOT IN (SELECT id FROM cc_card UNION SELECT id FROM cc_card_archive))
     + (SELECT COUNT(*) FROM cc_logrefill_agent WHERE credit <> 0 AND agent_id NOT IN (SELECT id FROM cc_agent))
     + (SELECT COUNT(*) FROM cc_logrefill
        WHERE credit <> 0 AND agent_id > 0 AND agent_id NOT IN (SELECT id FROM cc_agent))
     + (SELECT COUNT(*) FROM cc_voucher WHERE usedcardnumber <> ''
        AND usedcardnumber NOT IN (SELECT username FROM cc_card UNION SELECT username FROM cc_card_archive))
     + (SELECT COUNT(*) FROM cc_card_subscription
        WHERE id_cc_card NOT IN (SELECT id FROM cc_card UNION SELECT id FROM cc_card_archive));

-- :count {n} calls that cost nothing were left out.
SELECT (SELECT COUNT(*) FROM cc_call WHERE COALESCE(sessionbill, 0) = 0)
     + (SELECT COUNT(*) FROM cc_call_archive WHERE COALESCE(sessionbill, 0) = 0);

-- :count {n} charges were left out: they are not marked as taken from the credit.
SELECT COUNT(*) FROM cc_charge WHERE charged_status <> 1;

-- :count {n} transactions without a date were left out; they are part of the opening balance.
SELECT (SELECT COUNT(*) FROM cc_call WHERE sessionbill <> 0 AND starttime < '1970-01-02')
     + (SELECT COUNT(*) FROM cc_call_archive WHERE sessionbill <> 0 AND starttime < '1970-01-02')
     + (SELECT COUNT(*) FROM cc_charge WHERE charged_status = 1 AND creationdate < '1970-01-02')
     + (SELECT COUNT(*) FROM cc_logrefill WHERE credit <> 0 AND date < '1970-01-02')
     + (SELECT COUNT(*) FROM cc_logrefill_agent WHERE credit <> 0 AND date < '1970-01-02')
     + (SELECT COUNT(*) FROM cc_voucher
        WHERE usedcardnumber <> '' AND credit <> 0 AND usedate < '1970-01-02');

-- :count {n} calls share id, card and start with another call; they were numbered.
SELECT COALESCE(SUM(calls), 0)
FROM (
    SELECT SQL_BIG_RESULT COUNT(*) - 1 AS calls
    FROM (
        SELECT uniqueid, card_id, starttime FROM cc_call WHERE sessionbill <> 0
        UNION ALL
        SELECT uniqueid, card_id, starttime FROM cc_call_archive WHERE sessionbill <> 0
    ) every
    GROUP BY uniqueid, card_id, starttime
    HAVING COUNT(*) > 1
) shared;

-- :count {n} amounts of 16 or more are in FLOAT columns: the sixth decimal place may differ from what was charged.
SELECT (SELECT COUNT(*) FROM cc_call WHERE ABS(sessionbill) >= 16)
     + (SELECT COUNT(*) FROM cc_call_archive WHERE ABS(sessionbill) >= 16)
     + (SELECT COUNT(*) FROM cc_charge WHERE charged_status = 1 AND ABS(amount) >= 16)
     + (SELECT COUNT(*) FROM cc_voucher WHERE usedcardnumber <> '' AND ABS(credit) >= 16);

-- :count {n} vouchers in another currency are converted at the current quote; the difference is in the opening balance.
SELECT COUNT(*)
FROM cc_voucher v JOIN cc_currencies m ON m.currency = UPPER(v.currency)
WHERE v.usedcardnumber <> '' AND m.currency <> (
    SELECT UPPER(TRIM(config_value)) FROM cc_config WHERE config_key = 'base_currency' ORDER BY id LIMIT 1
);

-- :count {n} used vouchers were left out: their currency has no quote.
SELECT COUNT(*)
FROM cc_voucher v LEFT JOIN cc_currencies m ON m.currency = UPPER(v.currency)
WHERE v.usedcardnumber <> '' AND v.credit <> 0 AND m.id IS NULL;

-- :count {n} cards and agents have no creation date; they exist from their first transaction.
SELECT (SELECT COUNT(*) FROM cc_card WHERE creationdate < '1970-01-02')
     + (SELECT COUNT(*) FROM cc_card_archive a
        WHERE creationdate < '1970-01-02' AND NOT EXISTS (SELECT 1 FROM cc_card c WHERE c.id = a.id))
     + (SELECT COUNT(*) FROM cc_agent WHERE datecreation < '1970-01-02');

-- :count {n} cancelled or archived cards have no closing date; they are closed at their last transaction.
SELECT (SELECT COUNT(*) FROM cc_card WHERE status = 0)
     + (SELECT COUNT(*) FROM cc_card_archive a WHERE NOT EXISTS (SELECT 1 FROM cc_card c WHERE c.id = a.id));

-- :count {n} cards are in the group of an agent that does not exist; they have no company.
SELECT COUNT(*)
FROM cc_card c JOIN cc_card_group g ON g.id = c.id_group LEFT JOIN cc_agent a ON a.id = g.id_agent
WHERE g.id_agent > 0 AND a.id IS NULL;

-- :count {n} cards are shown in another currency on A2Billing's pages; amounts are in the base currency, as stored.
SELECT COUNT(*)
FROM cc_card
WHERE UPPER(currency) <> (
    SELECT UPPER(TRIM(config_value)) FROM cc_config WHERE config_key = 'base_currency' ORDER BY id LIMIT 1
);

-- :count {n} quotes were left out: they are 0, or their currency has no three-letter code.
SELECT COUNT(*) FROM cc_currencies WHERE NOT (value > 0 AND UPPER(currency) REGEXP '^[A-Z][A-Z][A-Z]$');

-- :count {n} current quotes apply to all dates: A2Billing keeps no earlier ones.
SELECT COUNT(*)
FROM cc_currencies
WHERE value > 0 AND UPPER(currency) REGEXP '^[A-Z][A-Z][A-Z]$' AND UPPER(currency) <> (
    SELECT UPPER(TRIM(config_value)) FROM cc_config WHERE config_key = 'base_currency' ORDER BY id LIMIT 1
);
