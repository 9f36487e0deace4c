-- MagnusBilling 7 on MariaDB 10.2 or newer, or MySQL 8; tested on MariaDB 10.11.
--
-- Based on: magnussolution/magnusbilling7, script/database.sql, as of 7.8.5.3 (July 2025), with its triggers.
-- Times: TIMESTAMP columns, so the session must be in UTC (SET time_zone = '+00:00').
--
-- Decisions
-- * Clients are the users (pkg_user) whose group is of type 2 (agents, resellers) or 3 (clients; call shops if callshop
--   is 1). Administrators are left out, and so are their transactions.
-- * All clients have one currency: base_currency in pkg_configuration. It is free text: a three-letter code is used as
--   is; R$, € and £ mean BRL, EUR and GBP; any other text, such as $ or 0, is read as USD and counted below. If
--   yours is another currency, use a copy of this mapping with its code. There are no quotes.
-- * Signs: credit is what the client has, even if a credit limit lets it go below 0 (typepaid = 1).
-- * Calls: the credit changes if sessionbill is above 0. A client of an agent pays agent_bill if that is above 0, and
--   the agent pays sessionbill (":agent"); otherwise the client pays sessionbill. Other calls are left out. The
--   archiver copies calls without their id, so transaction_id is uniqueid, user and start, and a number if several
--   calls share these. Two equal rows are two calls, because each changed the credit.
-- * pkg_refill holds refills and charges. Its descriptions are localized, so their words are not used: a fee is a row
--   whose description ends, before ", Old credit ...", with the name of a service or plan that the user has or had. It
--   is the renewal of that package; so is a credit below the price (returned when a service is released). Rows below 0
--   that end with a number (DID) of the user, or begin with "Send Credit" (mobile top-ups), are usage; others below 0
--   are "other". Rows above 0 are refills. Vouchers have a row there, so pkg_voucher is not read.
-- * There are no set-up fees: a service or plan that was activated is an activation of 0 at reservationdate, and each
--   fee, including the first, is a renewal. Services that wait for payment (status 2) are not activated.
-- * payment = 0 does not show whether the credit has changed: manual refills changed it immediately and count.
--   Requests to payment gateways and mobile top-ups have not changed it (descriptions that begin with "PENDING:",
--   "Boleto gerado, Status:", "Recarga PlaceToPay" or "Credit tranfered to mobile"): they are left out.
-- * FLOAT columns (sessionbill) hold about 7 digits: an amount is the decimal that they represent, with 6 places below
--   16, 5 below 128, 4 below 1,024, 3 below 16,384, else 2. Text of such a column has only 6 digits, so it is not used.
-- * The credit has 4 decimal places and a call has 6: the differences (up to 0.00005 a call) are in opening_balance.
-- * opening_balance = current credit - sum of the ledger. It is needed because archived calls are eventually deleted.
-- * Zero dates: a transaction without a date is left out (it is in opening_balance); a user without a creation date
--   exists from the first transaction, or from 1970-01-01 if there is none.
-- * Deleted users and their refills no longer exist in the database: their calls are left out. Inactive and blocked
--   users are not closed.
-- * Company: the agent that owns the user (id_user): its company_name, or its username if it has none; with "(id)" if
--   several agents have the same name.
-- * Tags: the name of the group; a semicolon in it becomes a slash.

-- :name clients
WITH account AS (
    SELECT u.*, g.id_user_type, g.name AS group_name FROM pkg_user u JOIN pkg_group_user g ON g.id = u.id_group
    WHERE g.id_user_type IN (2, 3)
),
calls AS (
    SELECT id_user, -SUM(CASE WHEN agent_bill > 0 THEN agent_bill ELSE exact END) AS amount, MIN(starttime) AS first_at,
           -SUM(CASE WHEN agent_bill > 0 THEN exact END) AS agent_amount,
           MIN(CASE WHEN agent_bill > 0 THEN starttime END) AS agent_first_at
    FROM (
        SELECT id_user, starttime, agent_bill,
               CAST(ROUND(sessionbill, CASE WHEN sessionbill < 16 THEN 6 WHEN sessionbill < 128 THEN 5
                                            WHEN sessionbill < 1024 THEN 4 WHEN sessionbill < 16384 THEN 3 ELSE 2 END)
                    AS DECIMAL(20, 6)) AS exact
        FROM pkg_cdr
        WHERE sessionbill > 0 AND starttime >= '1970-01-02'
    ) e
    GROUP BY id_user
    UNION ALL
    SELECT id_user, -SUM(CASE WHEN agent_bill > 0 THEN agent_bill ELSE exact END), MIN(starttime),
           -SUM(CASE WHEN agent_bill > 0 THEN exact END),
           MIN(CASE WHEN agent_bill > 0 THEN starttime END)
    FROM (
        SELECT id_user, starttime, agent_bill,
               CAST(ROUND(sessionbill, CASE WHEN sessionbill < 16 THEN 6 WHEN sessionbill < 128 THEN 5
                                            WHEN sessionbill < 1024 THEN 4 WHEN sessionbill < 16384 THEN 3 ELSE 2 END)
                    AS DECIMAL(20, 6)) AS exact
        FROM pkg_cdr_archive
        WHERE sessionbill > 0 AND starttime >= '1970-01-02'
    ) e
    GROUP BY id_user
),
movement AS (
    SELECT c.id_user, c.amount, c.first_at FROM calls c
    UNION ALL
    SELECT u.id_user, c.agent_amount, c.agent_first_at
    FROM calls c JOIN pkg_user u ON u.id = c.id_user
    WHERE c.agent_first_at IS NOT NULL
    UNION ALL
    SELECT id_user, SUM(credit), MIN(date)
    FROM pkg_refill
    WHERE NOT (COALESCE(payment, 0) = 0 AND (
        LOCATE('PENDING:', description) = 1 OR LOCATE('Boleto gerado, Status:', description) = 1
        OR LOCATE('Recarga PlaceToPay', description) = 1 OR LOCATE('Credit tranfered to mobile', description) = 1
    ) IS TRUE) AND date >= '1970-01-02'
    GROUP BY id_user
),
moved AS (
    SELECT id_user, SUM(amount) AS amount, MIN(first_at) AS first_at
    FROM movement
    GROUP BY id_user
),
agent AS (
    SELECT id,
           CASE WHEN COUNT(*) OVER (PARTITION BY label) = 1 THEN label ELSE CONCAT(label, ' (', id, ')') END AS company
    FROM (
        SELECT id, COALESCE(NULLIF(TRIM(company_name), ''), username) AS label FROM account WHERE id_user_type = 2
    ) labelled
),
base AS (
    SELECT CASE WHEN UPPER(TRIM(config_value)) REGEXP '^[A-Z][A-Z][A-Z]$' THEN UPPER(TRIM(config_value))
                WHEN TRIM(config_value) = 'R$' THEN 'BRL' WHEN TRIM(config_value) = '€' THEN 'EUR'
                WHEN TRIM(config_value) = '£' THEN 'GBP' ELSE 'USD' END AS currency
    FROM pkg_configuration
    WHERE config_key = 'base_currency'
    ORDER BY id
    LIMIT 1
)
SELECT
    CAST(u.id AS CHAR) AS client_id,
    COALESCE(NULLIF(TRIM(CONCAT_WS(' ', TRIM(u.firstname), TRIM(u.lastname))), ''), NULLIF(TRIM(u.company_name), ''),
             u.username) AS name,
    CASE WHEN u.id_user_type = 2 THEN 'reseller' WHEN u.callshop = '1' THEN 'call_shop' ELSE 'client' END
        AS client_type,
    a.company,
    NULLIF(TRIM(REPLACE(u.group_name, ';', '/')), '') AS tags,
    (SELECT currency FROM base) AS currency,
    CAST(CASE WHEN u.creationdate >= '1970-01-02' THEN u.creationdate
              ELSE COALESCE(m.first_at, '1970-01-01 00:00:00') END AS DATETIME) AS created_at,
    COALESCE(u.credit, 0) - COALESCE(m.amount, 0) AS opening_balance,
    COALESCE(u.credit, 0) AS stored_balance
FROM account u
LEFT JOIN moved m ON m.id_user = u.id
LEFT JOIN agent a ON a.id = u.id_user;

-- :name transactions
WITH account AS (
    SELECT u.id FROM pkg_user u JOIN pkg_group_user g ON g.id = u.id_group WHERE g.id_user_type IN (2, 3)
),
side AS (
    SELECT 0 AS is_agent UNION ALL SELECT 1
),
shared AS (
    SELECT SQL_BIG_RESULT uniqueid, id_user, starttime
    FROM (
        SELECT uniqueid, id_user, starttime FROM pkg_cdr WHERE sessionbill > 0
        UNION ALL
        SELECT uniqueid, id_user, starttime FROM pkg_cdr_archive WHERE sessionbill > 0
    ) e
    GROUP BY uniqueid, id_user, starttime
    HAVING COUNT(*) > 1
),
numbered AS (
    SELECT archived, id, ROW_NUMBER() OVER (PARTITION BY uniqueid, id_user, starttime
                                            ORDER BY calledstation, sessionbill, agent_bill) AS part
    FROM (
        SELECT 0 AS archived, c.id, c.uniqueid, c.id_user, c.starttime, c.calledstation, c.sessionbill, c.agent_bill
        FROM pkg_cdr c
        JOIN shared s ON s.uniqueid = c.uniqueid AND s.id_user = c.id_user AND s.starttime = c.starttime
        WHERE c.sessionbill > 0
        UNION ALL
        SELECT 1, c.id, c.uniqueid, c.id_user, c.starttime, c.calledstation, c.sessionbill, c.agent_bill
        FROM pkg_cdr_archive c
        JOIN shared s ON s.uniqueid = c.uniqueid AND s.id_user = c.id_user AND s.starttime = c.starttime
        WHERE c.sessionbill > 0
    ) e
),
package_use AS (
    SELECT u.id_user, CONCAT('service:', s.id) AS package_id, s.name AS label, s.price
    FROM pkg_services_use u JOIN pkg_services s ON s.id = u.id_services
    UNION
    SELECT u.id_user, CONCAT('offer:', o.id), o.label, o.price
    FROM pkg_offer_use u JOIN pkg_offer o ON o.id = u.id_offer
),
refill AS (
    SELECT r.id, r.id_user, r.date, r.credit, r.description,
           CASE WHEN LOCATE(', ', r.description) > 0
                THEN LEFT(r.description, CHAR_LENGTH(r.description)
                                         - CHAR_LENGTH(SUBSTRING_INDEX(r.description, ', ', -1)) - 2)
                ELSE r.description END AS about
    FROM pkg_refill r JOIN account a ON a.id = r.id_user
    WHERE r.credit <> 0 AND r.date >= '1970-01-02'
      AND NOT (COALESCE(r.payment, 0) = 0 AND (
          LOCATE('PENDING:', r.description) = 1 OR LOCATE('Boleto gerado, Status:', r.description) = 1
          OR LOCATE('Recarga PlaceToPay', r.description) = 1 OR LOCATE('Credit tranfered to mobile', r.description) = 1
      ) IS TRUE)
),
fee AS (
    SELECT r.id, p.package_id,
           ROW_NUMBER() OVER (PARTITION BY r.id ORDER BY CHAR_LENGTH(p.label) DESC, p.package_id) AS place
    FROM refill r
    JOIN package_use p ON p.id_user = r.id_user AND p.label <> ''
        AND RIGHT(r.about, CHAR_LENGTH(p.label) + 1) = CONCAT(' ', p.label)
        AND (r.credit < 0 OR r.credit < p.price OR r.credit = -p.price)
)
SELECT CONCAT('pkg_cdr:', c.uniqueid, ':', c.id_user, ':', c.starttime + 0,
              CASE WHEN n.part > 1 THEN CONCAT(':', n.part) ELSE '' END,
              CASE x.is_agent WHEN 1 THEN ':agent' ELSE '' END) AS transaction_id,
       CAST(a.id AS CHAR) AS client_id, c.starttime AS at, 'usage' AS kind,
       -CASE WHEN x.is_agent = 0 AND c.agent_bill > 0 THEN c.agent_bill ELSE
           CAST(ROUND(c.sessionbill, CASE WHEN c.sessionbill < 16 THEN 6 WHEN c.sessionbill < 128 THEN 5
                                          WHEN c.sessionbill < 1024 THEN 4 WHEN c.sessionbill < 16384 THEN 3 ELSE 2 END)
                AS DECIMAL(20, 6))
       END AS amount, NULL AS package_id
FROM pkg_cdr c
JOIN side x ON x.is_agent = 0 OR c.agent_bill > 0
JOIN pkg_user u ON u.id = c.id_user
JOIN account a ON a.id = CASE x.is_agent WHEN 1 THEN u.id_user ELSE u.id END
LEFT JOIN numbered n ON n.archived = 0 AND n.id = c.id
WHERE c.sessionbill > 0 AND c.starttime >= '1970-01-02'
UNION ALL
SELECT CONCAT('pkg_cdr:', c.uniqueid, ':', c.id_user, ':', c.starttime + 0,
              CASE WHEN n.part > 1 THEN CONCAT(':', n.part) ELSE '' END,
              CASE x.is_agent WHEN 1 THEN ':agent' ELSE '' END),
       CAST(a.id AS CHAR), c.starttime, 'usage',
       -CASE WHEN x.is_agent = 0 AND c.agent_bill > 0 THEN c.agent_bill ELSE
           CAST(ROUND(c.sessionbill, CASE WHEN c.sessionbill < 16 THEN 6 WHEN c.sessionbill < 128 THEN 5
                                          WHEN c.sessionbill < 1024 THEN 4 WHEN c.sessionbill < 16384 THEN 3 ELSE 2 END)
                AS DECIMAL(20, 6))
       END, NULL
FROM pkg_cdr_archive c
JOIN side x ON x.is_agent = 0 OR c.agent_bill > 0
JOIN pkg_user u ON u.id = c.id_user
JOIN account a ON a.id = CASE x.is_agent WHEN 1 THEN u.id_user ELSE u.id END
LEFT JOIN numbered n ON n.archived = 1 AND n.id = c.id
WHERE c.sessionbill > 0 AND c.starttime >= '1970-01-02'
UNION ALL
SELECT CONCAT('pkg_refill:', r.id), CAST(r.id_user AS CHAR), r.date,
       CASE WHEN f.id IS NOT NULL THEN 'package_renewal'
            WHEN r.credit > 0 THEN 'refill'
            WHEN LOCATE('Send Credit', r.description) = 1 OR EXISTS (
                SELECT 1
                FROM pkg_did_use n JOIN pkg_did d ON d.id = n.id_did
                WHERE n.id_user = r.id_user AND d.did <> '' AND RIGHT(r.about, CHAR_LENGTH(d.did)) = d.did
            ) THEN 'usage'
            ELSE 'other' END,
       r.credit, f.package_id
FROM refill r LEFT JOIN fee f ON f.id = r.id AND f.place = 1
UNION ALL
SELECT CONCAT('pkg_services_use:', u.id), CAST(u.id_user AS CHAR), u.reservationdate, 'package_activation', 0,
       CONCAT('service:', u.id_services)
FROM pkg_services_use u JOIN account a ON a.id = u.id_user
WHERE u.status IN (0, 1) AND u.reservationdate >= '1970-01-02'
UNION ALL
SELECT CONCAT('pkg_offer_use:', u.id), CAST(u.id_user AS CHAR), u.reservationdate, 'package_activation', 0,
       CONCAT('offer:', u.id_offer)
FROM pkg_offer_use u JOIN account a ON a.id = u.id_user
WHERE u.status IN (0, 1) AND u.reservationdate >= '1970-01-02';

-- :name packages
SELECT CONCAT('service:', id) AS package_id, name FROM pkg_services
UNION ALL
SELECT CONCAT('offer:', id), label FROM pkg_offer;

-- :name companies
WITH agent AS (
    SELECT id, id_user,
           CASE WHEN COUNT(*) OVER (PARTITION BY label) = 1 THEN label ELSE CONCAT(label, ' (', id, ')') END AS company
    FROM (
        SELECT u.id, u.id_user, COALESCE(NULLIF(TRIM(u.company_name), ''), u.username) AS label
        FROM pkg_user u JOIN pkg_group_user g ON g.id = u.id_group
        WHERE g.id_user_type = 2
    ) labelled
)
SELECT a.company, p.company AS parent
FROM agent a LEFT JOIN agent p ON p.id = a.id_user AND p.id <> a.id;

-- :count {n} administrators were left out.
SELECT COUNT(*) FROM pkg_user u JOIN pkg_group_user g ON g.id = u.id_group WHERE g.id_user_type NOT IN (2, 3);

-- :count {n} calls of administrators and of users who no longer exist were left out.
SELECT COUNT(*)
FROM (
    SELECT id_user FROM pkg_cdr WHERE sessionbill > 0
    UNION ALL
    SELECT id_user FROM pkg_cdr_archive WHERE sessionbill > 0
) c
LEFT JOIN pkg_user u ON u.id = c.id_user
LEFT JOIN pkg_group_user g ON g.id = u.id_group AND g.id_user_type IN (2, 3)
WHERE g.id IS NULL;

-- :count {n} calls that cost nothing were left out.
SELECT (SELECT COUNT(*) FROM pkg_cdr WHERE NOT COALESCE(sessionbill, 0) > 0)
     + (SELECT COUNT(*) FROM pkg_cdr_archive WHERE NOT COALESCE(sessionbill, 0) > 0);

-- :count {n} calls share id, user and start with another call; they were numbered.
SELECT COALESCE(SUM(calls), 0)
FROM (
    SELECT SQL_BIG_RESULT COUNT(*) - 1 AS calls
    FROM (
        SELECT uniqueid, id_user, starttime FROM pkg_cdr WHERE sessionbill > 0
        UNION ALL
        SELECT uniqueid, id_user, starttime FROM pkg_cdr_archive WHERE sessionbill > 0
    ) e
    GROUP BY uniqueid, id_user, starttime
    HAVING COUNT(*) > 1
) shared;

-- :count {n} calls cost 16 or more in a FLOAT column: the sixth decimal place may differ from what was charged.
SELECT (SELECT COUNT(*) FROM pkg_cdr WHERE sessionbill >= 16)
     + (SELECT COUNT(*) FROM pkg_cdr_archive WHERE sessionbill >= 16);

-- :count {n} refills and charges wait for a payment gateway or were rejected; they were left out.
SELECT COUNT(*)
FROM pkg_refill
WHERE COALESCE(payment, 0) = 0 AND (
    LOCATE('PENDING:', description) = 1 OR LOCATE('Boleto gerado, Status:', description) = 1
    OR LOCATE('Recarga PlaceToPay', description) = 1 OR LOCATE('Credit tranfered to mobile', description) = 1
);

-- :count {n} refills are not marked as paid but have changed the credit; they count.
SELECT COUNT(*)
FROM pkg_refill
WHERE COALESCE(payment, 0) = 0 AND credit > 0 AND NOT (
    LOCATE('PENDING:', description) = 1 OR LOCATE('Boleto gerado, Status:', description) = 1
    OR LOCATE('Recarga PlaceToPay', description) = 1 OR LOCATE('Credit tranfered to mobile', description) = 1
) IS TRUE;

-- :count {n} transactions without a date were left out; they are part of the opening balance.
SELECT (SELECT COUNT(*) FROM pkg_cdr WHERE sessionbill > 0 AND starttime < '1970-01-02')
     + (SELECT COUNT(*) FROM pkg_cdr_archive WHERE sessionbill > 0 AND starttime < '1970-01-02')
     + (SELECT COUNT(*) FROM pkg_refill WHERE credit <> 0 AND date < '1970-01-02');

-- :count {n} users have no creation date; they exist from their first transaction.
SELECT COUNT(*)
FROM pkg_user u JOIN pkg_group_user g ON g.id = u.id_group
WHERE g.id_user_type IN (2, 3) AND u.creationdate < '1970-01-02';

-- :count {n} users have USD as their currency, because the system's currency is not a three-letter code.
SELECT COUNT(*)
FROM pkg_user u JOIN pkg_group_user g ON g.id = u.id_group
WHERE g.id_user_type IN (2, 3) AND EXISTS (
    SELECT 1
    FROM pkg_configuration
    WHERE config_key = 'base_currency' AND NOT UPPER(TRIM(config_value)) REGEXP '^[A-Z][A-Z][A-Z]$'
      AND TRIM(config_value) NOT IN ('R$', '€', '£')
);
