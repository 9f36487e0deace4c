-- Kill Bill 0.24 on MariaDB (tested on 10.11): accounts, invoice items and payments as a mart.
--
-- Based on: killbill/killbill 0.24.21 (the ddl.sql of account, invoice and util).
-- Times: DATETIME columns hold UTC, written with that offset, whatever the source's timezone is. DATE columns are
-- days in the account's time zone: an item created on the date of its invoice (for an adjustment: of the item) counts
-- at the moment of its creation; any other item counts at the midnight that begins that date in that zone. CONVERT_TZ
-- needs the server's zone tables: load them with mysql_tzinfo_to_sql. Without them, days in zones other than offsets
-- such as +03:00 are read as UTC and counted below.
--
-- Decisions
-- * This mart follows the invoices: each item and each payment of a committed invoice changes the balance. Drafts, void
--   invoices and migrated ones (Kill Bill counts them as 0) are left out. CBA_ADJ items only move credit between
--   invoices and the account. They are left out, which does not change the balance.
-- * Kill Bill stores no balance; it computes what an account owes. The balance here is the negative of that and starts
--   at 0: there is no opening_balance and no stored_balance.
-- * A client is an account in one currency: its id is accounts.id for the account's own currency, "<id>:<currency>" for
--   another. An account without a currency has that of its invoices; with neither, it is left out.
-- * Accounts tagged TEST are left out. Accounts tagged PARTNER and accounts with children are resellers; the parent is
--   the company. Kill Bill does not close accounts.
-- * A semicolon in a tag becomes a slash.
-- * Successful payments are refills. Refunds and chargebacks are stored as negative amounts and are "other".
-- * FIXED with a plan is the activation (a later one of the same subscription and plan: a renewal); RECURRING with a
--   plan is a renewal. A subscription to a plan without FIXED gets an activation of 0 with its first RECURRING item.
--   The plan's name is the package; there is no table of packages.
-- * USAGE and EXTERNAL_CHARGE are usage. Free items produce no row. TAX and CREDIT_ADJ are "other".
-- * ITEM_ADJ and REPAIR_ADJ reverse the item that they are linked to and keep its kind.
-- * If a parent pays for its children, PARENT_SUMMARY moves the debt when the parent's invoice is committed: the
--   "other" rows are negative for the parent and positive for the child. (Kill Bill shows the debt for both until the
--   parent has paid.)
-- * The amount still owed on a written-off invoice is an "other" row at the time of the tag.
-- * Items have up to 9 decimals: each amount is rounded to 6, half away from zero, and counted below.
-- * Exchange rates come from plugins: add a section for the table rates if you have them. All tenants are read.

-- :name clients
WITH tagged AS (
    SELECT t.object_id AS account_id, t.tag_definition_id, COALESCE(d.name, c.name) AS name
    FROM tags t
    LEFT JOIN tag_definitions d ON d.id = t.tag_definition_id
    LEFT JOIN (
        SELECT '00000000-0000-0000-0000-000000000001' AS id, 'AUTO_PAY_OFF' AS name UNION ALL
        SELECT '00000000-0000-0000-0000-000000000002', 'AUTO_INVOICING_OFF' UNION ALL
        SELECT '00000000-0000-0000-0000-000000000003', 'OVERDUE_ENFORCEMENT_OFF' UNION ALL
        SELECT '00000000-0000-0000-0000-000000000005', 'MANUAL_PAY' UNION ALL
        SELECT '00000000-0000-0000-0000-000000000006', 'TEST' UNION ALL
        SELECT '00000000-0000-0000-0000-000000000007', 'PARTNER' UNION ALL
        SELECT '00000000-0000-0000-0000-000000000008', 'AUTO_INVOICING_DRAFT' UNION ALL
        SELECT '00000000-0000-0000-0000-000000000009', 'AUTO_INVOICING_REUSE_DRAFT'
    ) c ON c.id = t.tag_definition_id
    WHERE t.object_type = 'ACCOUNT' AND t.is_active
),
label AS (
    SELECT account_id, GROUP_CONCAT(DISTINCT REPLACE(name, ';', '/') ORDER BY name SEPARATOR ';') AS tags,
           MAX(tag_definition_id = '00000000-0000-0000-0000-000000000006') AS is_test,
           MAX(tag_definition_id = '00000000-0000-0000-0000-000000000007') AS is_partner
    FROM tagged
    GROUP BY account_id
),
named AS (
    SELECT a.id, a.parent_account_id, a.created_date, a.currency, a.external_key,
           COALESCE(NULLIF(TRIM(a.name), ''), NULLIF(TRIM(a.company_name), ''), a.external_key) AS name
    FROM accounts a
),
parent AS (
    SELECT id, CASE WHEN COUNT(*) OVER (PARTITION BY name) = 1 THEN name ELSE CONCAT(name, ' (', id, ')') END AS company
    FROM named
    WHERE id IN (SELECT parent_account_id FROM accounts)
),
billed AS (
    SELECT DISTINCT account_id, currency FROM invoices WHERE status = 'COMMITTED' AND NOT migrated
),
account AS (
    SELECT n.id, n.parent_account_id, n.created_date, n.name, COALESCE(n.currency, b.currency) AS own_currency
    FROM named n LEFT JOIN (SELECT account_id, MIN(currency) AS currency FROM billed GROUP BY account_id) b
        ON b.account_id = n.id
),
held AS (
    SELECT id AS account_id, own_currency AS currency FROM account
    UNION
    SELECT account_id, currency FROM billed
)
SELECT
    CONCAT(a.id, CASE WHEN h.currency = a.own_currency THEN '' ELSE CONCAT(':', h.currency) END) AS client_id,
    a.name,
    CASE WHEN l.is_partner OR own.id IS NOT NULL THEN 'reseller' ELSE 'client' END AS client_type,
    p.company,
    l.tags,
    h.currency,
    CONCAT(a.created_date, '+00:00') AS created_at
FROM held h
JOIN account a ON a.id = h.account_id
LEFT JOIN label l ON l.account_id = a.id
LEFT JOIN parent p ON p.id = a.parent_account_id
LEFT JOIN parent own ON own.id = a.id
WHERE h.currency IS NOT NULL AND COALESCE(l.is_test, 0) = 0;

-- :name transactions
WITH billed AS (
    SELECT account_id, MIN(currency) AS currency
    FROM invoices
    WHERE status = 'COMMITTED' AND NOT migrated AND account_id IN (SELECT id FROM accounts WHERE currency IS NULL)
    GROUP BY account_id
),
account AS (
    SELECT a.id, a.time_zone AS zone,
           COALESCE(a.currency, b.currency) AS own_currency
    FROM accounts a
    LEFT JOIN billed b ON b.account_id = a.id
    WHERE NOT EXISTS (
        SELECT 1 FROM tags t
        WHERE t.object_id = a.id AND t.object_type = 'ACCOUNT' AND t.is_active
          AND t.tag_definition_id = '00000000-0000-0000-0000-000000000006'
    )
),
bill AS (
    SELECT i.id, i.currency, i.invoice_date, a.zone,
           CONCAT(a.id, CASE WHEN i.currency = a.own_currency THEN '' ELSE CONCAT(':', i.currency) END) AS client_id
    FROM invoices i JOIN account a ON a.id = i.account_id
    WHERE i.status = 'COMMITTED' AND NOT i.migrated
),
dated AS (
    SELECT t.id, t.record_id, t.type, t.amount, t.child_account_id, t.plan_name,
           COALESCE(t.subscription_id, t.id) AS subscription_id,
           t.linked_item_id,
           b.client_id, b.currency, b.zone, t.created_date AS created_at,
           CASE t.type WHEN 'ITEM_ADJ' THEN t.start_date ELSE b.invoice_date END AS day
    FROM invoice_items t JOIN bill b ON b.id = t.invoice_id
    WHERE t.type <> 'CBA_ADJ'
),
item AS (
    SELECT d.*,
           CASE WHEN d.day IS NULL OR DATE(COALESCE(CONVERT_TZ(d.created_at, '+00:00', d.zone), d.created_at)) = d.day
                THEN d.created_at
                ELSE COALESCE(CONVERT_TZ(CAST(d.day AS DATETIME), d.zone, '+00:00'), CAST(d.day AS DATETIME)) END AS at
    FROM dated d
),
charge AS (
    SELECT id, type, amount, child_account_id, client_id, currency, at,
           CASE WHEN type IN ('FIXED', 'RECURRING') AND plan_name IS NOT NULL THEN
                    CASE WHEN type = 'FIXED' AND nth = 1 THEN 'package_activation' ELSE 'package_renewal' END
                WHEN type IN ('FIXED', 'RECURRING', 'USAGE', 'EXTERNAL_CHARGE') THEN 'usage'
                ELSE 'other' END AS kind,
           CASE WHEN type IN ('FIXED', 'RECURRING') THEN plan_name END AS package_id,
           type = 'RECURRING' AND nth = 1 AND fixed_items = 0 AND plan_name IS NOT NULL AS activates
    FROM (
        SELECT i.*,
               ROW_NUMBER() OVER (PARTITION BY subscription_id, plan_name, type ORDER BY record_id) AS nth,
               SUM(CASE type WHEN 'FIXED' THEN 1 ELSE 0 END)
                   OVER (PARTITION BY subscription_id, plan_name) AS fixed_items
        FROM item i
        WHERE type NOT IN ('ITEM_ADJ', 'REPAIR_ADJ')
    ) c
),
movement AS (
    SELECT id, client_id, currency, at, kind, amount, package_id, activates,
           CASE type WHEN 'PARENT_SUMMARY' THEN child_account_id END AS child_id
    FROM charge
    WHERE amount <> 0 OR package_id IS NOT NULL
    UNION ALL
    SELECT i.id, i.client_id, i.currency, i.at, COALESCE(c.kind, 'other'), i.amount, c.package_id, FALSE,
           CASE c.type WHEN 'PARENT_SUMMARY' THEN c.child_account_id END
    FROM item i LEFT JOIN charge c ON c.id = i.linked_item_id
    WHERE i.type IN ('ITEM_ADJ', 'REPAIR_ADJ') AND i.amount <> 0
),
written_off AS (
    SELECT MIN(t.id) AS id, MIN(t.created_date) AS created_date, t.object_id AS invoice_id
    FROM tags t
    WHERE t.object_type = 'INVOICE' AND t.is_active AND t.tag_definition_id = '00000000-0000-0000-0000-000000000004'
    GROUP BY t.object_id
),
owed AS (
    SELECT invoice_id, SUM(amount) AS amount
    FROM (
        SELECT invoice_id, ROUND(amount, 6) AS amount FROM invoice_items
        WHERE invoice_id IN (SELECT invoice_id FROM written_off)
        UNION ALL
        SELECT invoice_id, -ROUND(amount, 6) FROM invoice_payments
        WHERE status = 'SUCCESS' AND invoice_id IN (SELECT invoice_id FROM written_off)
    ) m
    GROUP BY invoice_id
)
SELECT CONCAT('invoice_items:', m.id, p.part) AS transaction_id,
       CASE WHEN p.part <> ':child' THEN m.client_id
            WHEN m.currency = a.own_currency THEN a.id ELSE CONCAT(a.id, ':', m.currency) END AS client_id,
       CONCAT(m.at, '+00:00') AS at,
       CASE p.part WHEN ':activation' THEN 'package_activation' WHEN ':child' THEN 'other' ELSE m.kind END AS kind,
       CASE p.part WHEN ':activation' THEN 0 WHEN ':child' THEN ROUND(m.amount, 6)
                   ELSE -ROUND(m.amount, 6) END AS amount,
       CASE p.part WHEN ':child' THEN NULL ELSE m.package_id END AS package_id
FROM movement m
JOIN (SELECT '' AS part UNION ALL SELECT ':activation' UNION ALL SELECT ':child') p
    ON p.part = '' OR (p.part = ':activation' AND m.activates) OR (p.part = ':child' AND m.child_id IS NOT NULL)
LEFT JOIN account a ON a.id = m.child_id
WHERE p.part <> ':child' OR a.id IS NOT NULL
UNION ALL
SELECT CONCAT('invoice_payments:', p.id), b.client_id, CONCAT(p.payment_date, '+00:00'),
       CASE p.type WHEN 'ATTEMPT' THEN 'refill' ELSE 'other' END, ROUND(p.amount, 6), NULL
FROM invoice_payments p JOIN bill b ON b.id = p.invoice_id
WHERE p.status = 'SUCCESS'
UNION ALL
SELECT CONCAT('tags:', w.id, ':written_off'), b.client_id, CONCAT(w.created_date, '+00:00'), 'other', o.amount, NULL
FROM written_off w JOIN bill b ON b.id = w.invoice_id JOIN owed o ON o.invoice_id = w.invoice_id
WHERE o.amount <> 0;

-- :name companies
WITH named AS (
    SELECT id, parent_account_id,
           COALESCE(NULLIF(TRIM(name), ''), NULLIF(TRIM(company_name), ''), external_key) AS name
    FROM accounts
),
parent AS (
    SELECT id, parent_account_id,
           CASE WHEN COUNT(*) OVER (PARTITION BY name) = 1 THEN name ELSE CONCAT(name, ' (', id, ')') END AS company
    FROM named
    WHERE id IN (SELECT parent_account_id FROM accounts)
)
SELECT p.company, above.company AS parent
FROM parent p LEFT JOIN parent above ON above.id = p.parent_account_id;

-- :count {n} invoices are drafts, void or migrated and were left out.
SELECT COUNT(*) FROM invoices WHERE status <> 'COMMITTED' OR migrated;

-- :count {n} accounts are tagged TEST or have no currency and were left out.
SELECT COUNT(*)
FROM accounts a
WHERE EXISTS (
    SELECT 1 FROM tags t
    WHERE t.object_id = a.id AND t.object_type = 'ACCOUNT' AND t.is_active
      AND t.tag_definition_id = '00000000-0000-0000-0000-000000000006'
) OR (a.currency IS NULL AND NOT EXISTS (
    SELECT 1 FROM invoices i WHERE i.account_id = a.id AND i.status = 'COMMITTED' AND NOT i.migrated
));

-- :count {n} payments, refunds and chargebacks did not succeed and were left out.
SELECT COUNT(*) FROM invoice_payments WHERE status <> 'SUCCESS';

-- :count {n} amounts have more than 6 decimals and were rounded.
SELECT (SELECT COUNT(*) FROM invoice_items WHERE amount <> ROUND(amount, 6) AND type <> 'CBA_ADJ')
     + (SELECT COUNT(*) FROM invoice_payments WHERE amount <> ROUND(amount, 6));

-- :count {n} free items that belong to no package were left out.
SELECT COUNT(*) FROM invoice_items
WHERE amount = 0 AND type <> 'CBA_ADJ' AND NOT (type IN ('FIXED', 'RECURRING') AND plan_name IS NOT NULL);

-- :count {n} invoices, items and payments belong to an account or invoice that does not exist and were left out.
SELECT (SELECT COUNT(*) FROM invoices i WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = i.account_id))
     + (SELECT COUNT(*) FROM invoice_items t WHERE NOT EXISTS (SELECT 1 FROM invoices i WHERE i.id = t.invoice_id))
     + (SELECT COUNT(*) FROM invoice_payments p WHERE NOT EXISTS (SELECT 1 FROM invoices i WHERE i.id = p.invoice_id));

-- :count {n} accounts have a time zone that this server does not know; their days are read as UTC.
SELECT COUNT(*) FROM accounts WHERE CONVERT_TZ('2020-01-01 00:00:00', '+00:00', time_zone) IS NULL;
