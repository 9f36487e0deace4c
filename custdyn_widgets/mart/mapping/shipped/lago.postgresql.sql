-- Lago on PostgreSQL (tested on 15; 13 or newer): prepaid wallets as a mart.
--
-- Based on: getlago/lago-api 1.51.0 (db/structure.sql up to migration 20260721180721). The column
-- wallet_transactions.voided_invoice_id is needed: 1.42 or newer.
-- Times: Lago stores UTC without an offset. DATE columns are not used.
--
-- Decisions
-- * This mart follows the wallets: the balance is what the wallets hold, and the ledger is wallet_transactions. What an
--   invoice takes from elsewhere (cards, credit notes, coupons) never changes a wallet and is not in this mart; it is
--   counted below. Never add payments or invoices to this ledger: the same money would count twice.
-- * A client is a customer in one currency. Its id is customers.id for the customer's own currency and
--   "<id>:<currency>" for any other currency of its wallets or plans. Partners are resellers.
-- * Tags are the metadata as "key=value"; a semicolon in a tag becomes a slash.
-- * Deleted customers are clients closed at deleted_at.
-- * Only settled wallet transactions count; pending and failed ones have not changed a balance.
-- * Purchased credits are refills. Granted and voided credits are "other".
-- * What an invoice took is distributed among its fees, in proportion to their net amounts and their taxes (Lago does
--   not store it by fee), in the currency's minor units, and adds up exactly. Wallets limited to some fees pay only
--   those. Charges, add-ons and commitments are usage; subscriptions, fixed charges and products are renewals of their
--   plan; taxes are "other". An invoice without fees is usage. Free charges produce no row; free renewals do.
-- * Credits returned for a voided invoice reverse these rows with the same kinds.
-- * Lago has no set-up fee: a subscription that started is an activation of 0 at that time.
-- * A plan changed for one subscription counts as the plan that it was copied from.
-- * The client loses what a terminated wallet still held: an "other" row at the time of termination.
-- * Amounts are in units (JPY 500 is 500); *_cents columns are divided by the currency's subunits.
-- * opening_balance = current balance - sum of the ledger. Lago keeps every transaction, so it should be 0.
-- * Lago stores no exchange rates. Add a section for the table rates if you have them.
-- * All organizations of the database are read; billing entities are the companies.
-- Nothing is rounded: Lago stores at most 5 places.

-- :name clients
WITH units (currency, subunits) AS (
    VALUES ('BIF', 1), ('CLP', 1), ('DJF', 1), ('GNF', 1), ('HUF', 1), ('ISK', 1), ('JPY', 1), ('KMF', 1), ('KRW', 1),
           ('MGA', 1), ('PYG', 1), ('RWF', 1), ('UGX', 1), ('VND', 1), ('VUV', 1), ('XAF', 1), ('XOF', 1), ('XPF', 1),
           ('BHD', 1000), ('JOD', 1000), ('KWD', 1000), ('TND', 1000), ('CLF', 10000)
),
customer AS (
    SELECT c.*, COALESCE(c.currency, e.default_currency) AS own_currency
    FROM customers c JOIN billing_entities e ON e.id = c.billing_entity_id
),
entity AS (
    SELECT id, CASE WHEN COUNT(*) OVER (PARTITION BY name) = 1 THEN name ELSE name || ' (' || id || ')' END AS company
    FROM billing_entities
),
account AS (
    SELECT id AS customer_id, own_currency AS currency FROM customer
    UNION
    SELECT customer_id, balance_currency FROM wallets
    UNION
    SELECT s.customer_id, p.amount_currency
    FROM subscriptions s JOIN plans p ON p.id = s.plan_id
    WHERE s.status IN (1, 2) AND s.started_at IS NOT NULL
),
held AS (
    SELECT w.customer_id, w.balance_currency AS currency,
           SUM(w.balance_cents::numeric / COALESCE(u.subunits, 100)) AS balance,
           SUM(CASE WHEN w.status = 0 THEN w.balance_cents::numeric / COALESCE(u.subunits, 100) ELSE 0 END) AS usable
    FROM wallets w LEFT JOIN units u ON u.currency = w.balance_currency
    GROUP BY w.customer_id, w.balance_currency
),
moved AS (
    SELECT w.customer_id, w.balance_currency AS currency,
           SUM(CASE t.transaction_type WHEN 0 THEN t.amount ELSE -t.amount END) AS amount
    FROM wallet_transactions t JOIN wallets w ON w.id = t.wallet_id
    WHERE t.status = 1
    GROUP BY w.customer_id, w.balance_currency
),
label AS (
    SELECT customer_id, string_agg(replace(key || '=' || value, ';', '/'), ';' ORDER BY key, id) AS tags
    FROM customer_metadata
    GROUP BY customer_id
)
SELECT
    c.id || CASE WHEN a.currency = c.own_currency THEN '' ELSE ':' || a.currency END AS client_id,
    COALESCE(NULLIF(btrim(c.name), ''), NULLIF(btrim(c.legal_name), ''),
             NULLIF(btrim(concat_ws(' ', c.firstname, c.lastname)), ''), c.external_id) AS name,
    CASE c.account_type WHEN 'partner' THEN 'reseller' ELSE 'client' END AS client_type,
    e.company,
    l.tags,
    a.currency,
    c.created_at AT TIME ZONE 'UTC' AS created_at,
    c.deleted_at AT TIME ZONE 'UTC' AS closed_at,
    COALESCE(h.balance, 0) - COALESCE(m.amount, 0) AS opening_balance,
    h.usable AS stored_balance
FROM account a
JOIN customer c ON c.id = a.customer_id
JOIN entity e ON e.id = c.billing_entity_id
LEFT JOIN held h ON h.customer_id = a.customer_id AND h.currency = a.currency
LEFT JOIN moved m ON m.customer_id = a.customer_id AND m.currency = a.currency
LEFT JOIN label l ON l.customer_id = a.customer_id;

-- :name transactions
WITH units (currency, subunits, digits) AS (
    VALUES ('BIF', 1, 0), ('CLP', 1, 0), ('DJF', 1, 0), ('GNF', 1, 0), ('HUF', 1, 0), ('ISK', 1, 0), ('JPY', 1, 0),
           ('KMF', 1, 0), ('KRW', 1, 0), ('MGA', 1, 0), ('PYG', 1, 0), ('RWF', 1, 0), ('UGX', 1, 0), ('VND', 1, 0),
           ('VUV', 1, 0), ('XAF', 1, 0), ('XOF', 1, 0), ('XPF', 1, 0),
           ('BHD', 1000, 3), ('JOD', 1000, 3), ('KWD', 1000, 3), ('TND', 1000, 3), ('CLF', 10000, 4)
),
customer AS (
    SELECT c.id, COALESCE(c.currency, e.default_currency) AS own_currency
    FROM customers c JOIN billing_entities e ON e.id = c.billing_entity_id
),
wallet AS (
    SELECT w.id, w.status, w.balance_currency, w.allowed_fee_types,
           c.id || CASE WHEN w.balance_currency = c.own_currency THEN '' ELSE ':' || w.balance_currency END
               AS client_id,
           w.balance_cents::numeric / COALESCE(u.subunits, 100) AS balance, COALESCE(u.digits, 2) AS digits,
           (COALESCE(w.terminated_at, w.updated_at)) AT TIME ZONE 'UTC' AS terminated_at,
           cardinality(w.allowed_fee_types) = 0
               AND NOT EXISTS (SELECT 1 FROM wallet_targets x WHERE x.wallet_id = w.id) AS pays_all
    FROM wallets w
    JOIN customer c ON c.id = w.customer_id
    LEFT JOIN units u ON u.currency = w.balance_currency
),
movement AS (
    SELECT t.id, w.client_id, w.id AS wallet_id, w.pays_all, w.allowed_fee_types,
           COALESCE(t.settled_at, t.created_at) AT TIME ZONE 'UTC' AS at,
           t.amount, GREATEST(w.digits, scale(trim_scale(t.amount))) AS digits,
           t.transaction_type, t.transaction_status,
           CASE WHEN t.transaction_type = 1 AND t.transaction_status = 3 THEN t.invoice_id
                WHEN t.transaction_type = 0 AND t.transaction_status = 1 THEN t.voided_invoice_id END AS paid_invoice_id
    FROM wallet_transactions t JOIN wallet w ON w.id = t.wallet_id
    WHERE t.status = 1
),
fee AS (
    SELECT f.id, f.invoice_id, f.part, f.weight, c.billable_metric_id,
           (ARRAY['charge', 'add_on', 'subscription', 'credit', 'commitment', 'fixed_charge', 'product'])
               [f.fee_type + 1] AS fee_type,
           CASE WHEN f.part = ':tax' THEN 'other' WHEN f.fee_type IN (2, 5, 6) THEN 'package_renewal'
                ELSE 'usage' END AS kind,
           CASE WHEN f.part = '' AND f.fee_type IN (2, 5, 6) THEN COALESCE(parent.id, p.id) END AS package_id
    FROM (
        SELECT id, invoice_id, charge_id, subscription_id, fee_type, '' AS part,
               GREATEST(amount_cents - precise_coupons_amount_cents - precise_credit_notes_amount_cents, 0) AS weight
        FROM fees WHERE deleted_at IS NULL
        UNION ALL
        SELECT id, invoice_id, charge_id, subscription_id, fee_type, ':tax', taxes_amount_cents
        FROM fees WHERE deleted_at IS NULL AND taxes_amount_cents > 0
    ) f
    LEFT JOIN charges c ON c.id = f.charge_id
    LEFT JOIN subscriptions s ON s.id = f.subscription_id
    LEFT JOIN plans p ON p.id = s.plan_id
    LEFT JOIN plans parent ON parent.id = p.parent_id
),
share AS (
    SELECT m.client_id, m.at, m.transaction_type, m.amount, m.digits, f.id, f.part, f.kind, f.package_id,
           f.weight, m.id AS movement_id,
           SUM(f.weight) OVER (PARTITION BY m.id) AS whole,
           SUM(f.weight) OVER (PARTITION BY m.id ORDER BY f.id, f.part ROWS UNBOUNDED PRECEDING) AS so_far
    FROM movement m
    JOIN fee f ON f.invoice_id = m.paid_invoice_id
    WHERE m.pays_all OR f.fee_type = ANY (m.allowed_fee_types) OR EXISTS (
        SELECT 1 FROM wallet_targets x
        WHERE x.wallet_id = m.wallet_id AND x.billable_metric_id = f.billable_metric_id
    )
),
paid AS (
    SELECT client_id, MIN(at) AS at, transaction_type, id, part, kind, package_id,
           SUM(ROUND(amount * so_far / whole, digits) - ROUND(amount * (so_far - weight) / whole, digits)) AS amount
    FROM share
    WHERE whole > 0
    GROUP BY client_id, transaction_type, id, part, kind, package_id
)
SELECT 'fees:' || id || part || CASE transaction_type WHEN 0 THEN ':voided' ELSE '' END AS transaction_id,
       client_id, at, kind, CASE transaction_type WHEN 0 THEN amount ELSE -amount END AS amount,
       package_id::text AS package_id
FROM paid
WHERE amount <> 0 OR (kind = 'package_renewal' AND transaction_type = 1)
UNION ALL
SELECT 'wallet_transactions:' || id, client_id, at,
       CASE WHEN paid_invoice_id IS NOT NULL OR (transaction_type = 1 AND transaction_status = 3) THEN 'usage'
            WHEN transaction_type = 0 AND transaction_status = 0 THEN 'refill' ELSE 'other' END,
       CASE transaction_type WHEN 0 THEN amount ELSE -amount END, NULL
FROM movement m
WHERE NOT EXISTS (SELECT 1 FROM share s WHERE s.movement_id = m.id AND s.whole > 0)
UNION ALL
SELECT 'wallets:' || id || ':terminated', client_id, terminated_at, 'other', -balance, NULL
FROM wallet
WHERE status = 1 AND balance <> 0
UNION ALL
SELECT 'subscriptions:' || s.id,
       c.id || CASE WHEN p.amount_currency = c.own_currency THEN '' ELSE ':' || p.amount_currency END,
       s.started_at AT TIME ZONE 'UTC', 'package_activation', 0, COALESCE(parent.id, p.id)::text
FROM subscriptions s
JOIN customer c ON c.id = s.customer_id
JOIN plans p ON p.id = s.plan_id
LEFT JOIN plans parent ON parent.id = p.parent_id
WHERE s.status IN (1, 2) AND s.started_at IS NOT NULL;

-- :name packages
SELECT p.id::text AS package_id, p.name
FROM plans p LEFT JOIN plans parent ON parent.id = p.parent_id
WHERE parent.id IS NULL;

-- :name companies
SELECT CASE WHEN COUNT(*) OVER (PARTITION BY name) = 1 THEN name ELSE name || ' (' || id || ')' END AS company
FROM billing_entities;

-- :count {n} wallet transactions are pending or failed and were left out: they have not changed a balance.
SELECT COUNT(*) FROM wallet_transactions WHERE status <> 1;

-- :count {n} finalized invoices were not paid in full from wallets; the rest is not in this mart.
SELECT COUNT(*) FROM invoices WHERE status = 1 AND invoice_type <> 2 AND total_amount_cents > 0;

-- :count {n} wallets have a balance that differs from their transactions; the difference is in the opening balance.
SELECT COUNT(*)
FROM wallets w
LEFT JOIN (
    SELECT wallet_id, SUM(CASE transaction_type WHEN 0 THEN amount ELSE -amount END) AS amount
    FROM wallet_transactions WHERE status = 1 GROUP BY wallet_id
) t ON t.wallet_id = w.id
WHERE w.balance_cents <> COALESCE(t.amount, 0) * CASE
    WHEN w.balance_currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'HUF', 'ISK', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF',
                                'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1
    WHEN w.balance_currency IN ('BHD', 'JOD', 'KWD', 'TND') THEN 1000
    WHEN w.balance_currency = 'CLF' THEN 10000
    ELSE 100 END;
